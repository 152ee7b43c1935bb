#include "daemon/intake/jwe.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/keys.h"
#include "tests/daemon/intake/sealed.h"

namespace signet {
namespace {

using Json = nlohmann::json;

const std::string kPlain = R"({"kind":"sms"})";
const std::string kShared = R"({"kty":"oct","k":")" + to_base64url(std::string(32, 'k')) + "\"}";

struct Pair {
  IntakeKey key;
  std::string to;  // public
};

Pair make_pair() {
  auto jwk = make_p256_jwk();
  REQUIRE(jwk.ok());
  auto key = IntakeKey::parse(*jwk);
  REQUIRE(key.ok());
  return {*key, key->public_jwk()};
}

std::string reason(const IntakeKey& key, const std::string& envelope) {
  const auto opened = key.open(envelope);
  return opened ? "opened" : opened.error().text;
}

// The compact form's parts: header, key, nonce, content, tag.
std::vector<std::string> split(const std::string& envelope) {
  std::vector<std::string> parts(1);
  for (const char c : envelope)
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  REQUIRE(parts.size() == 5);
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (size_t i = 0; i < parts.size(); i++) out += (i > 0 ? "." : "") + parts[i];
  return out;
}

std::string with_header(const std::string& envelope, const Json& changes) {
  auto parts = split(envelope);
  Json header = Json::parse(*from_base64url(parts[0]));
  header.merge_patch(changes);
  parts[0] = to_base64url(header.dump());
  return join(parts);
}

}  // namespace

TEST_CASE("what was sealed to the public half opens, with the key's name or without") {
  const Pair pair = make_pair();
  CHECK(*pair.key.open(sealed(pair.to, kPlain)) == kPlain);
  CHECK(*pair.key.open(sealed(pair.to, kPlain, {.key_id = Json::parse(pair.to)["kid"]})) == kPlain);
  const std::string large(300'000, 'x');
  CHECK(*pair.key.open(sealed(pair.to, large)) == large);
  CHECK_FALSE(Json::parse(pair.to).contains("d"));
}

TEST_CASE("a shared key opens what is sealed under it directly") {
  const auto key = IntakeKey::parse(Secret(kShared));
  REQUIRE(key.ok());
  CHECK(key->public_jwk().empty());
  CHECK(*key->open(sealed(kShared, kPlain, {.algorithm = "dir"})) == kPlain);
  CHECK(reason(*key, sealed(make_pair().to, kPlain)) == "ALGORITHM");
}

TEST_CASE("what is not sealed in the one way is refused by its reason") {
  const Pair pair = make_pair(), other = make_pair();
  const std::string good = sealed(pair.to, kPlain);
  const auto part = [&good](size_t i, const std::string& by) {
    auto parts = split(good);
    parts[i] = by;
    return join(parts);
  };
  const auto flipped = [&good](size_t i) {
    auto parts = split(good);
    std::string octets = *from_base64url(parts[i]);
    octets[octets.size() / 2] = static_cast<char>(octets[octets.size() / 2] ^ 1);
    parts[i] = to_base64url(octets);
    return join(parts);
  };
  const Json off_curve{
      {"epk", {{"x", to_base64url(std::string(32, '\1'))}, {"y", to_base64url(std::string(32, '\2'))}}}};
  struct Row {
    const char* what;
    std::string envelope, reason;
  };
  const Row rows[] = {
      {"nothing", "", "CLEAR"},
      {"JSON", kPlain, "CLEAR"},
      {"a text", "Your result is fine.", "CLEAR"},
      {"a signed token", "e30.e30.e30", "CLEAR"},
      {"six parts", good + ".e30", "CLEAR"},
      {"blanks in it", good + "\n", "CLEAR"},
      {"padding", part(4, split(good)[4] + "="), "CLEAR"},
      {"no header", part(0, ""), "CLEAR"},
      {"a header that is no JSON", part(0, "AAAA"), "UNREADABLE"},
      {"a header that is a list", part(0, to_base64url("[]")), "UNREADABLE"},
      {"another kid", sealed(pair.to, kPlain, {.key_id = Json::parse(other.to)["kid"]}), "UNKNOWN_KEY"},
      {"a kid that is a number", with_header(good, {{"kid", 7}}), "UNKNOWN_KEY"},
      {"another key", sealed(other.to, kPlain), "UNREADABLE"},
      {"half the key length", sealed(pair.to, kPlain, {.encryption = "A128GCM"}), "ALGORITHM"},
      {"another mode", sealed(pair.to, kPlain, {.encryption = "A256CBC-HS512"}), "ALGORITHM"},
      {"alg none", with_header(good, {{"alg", "none"}}), "ALGORITHM"},
      {"alg dir with the public key as secret", with_header(good, {{"alg", "dir"}}), "ALGORITHM"},
      {"compressed", with_header(good, {{"zip", "DEF"}}), "ALGORITHM"},
      {"critical extensions", with_header(good, {{"crit", {"b64"}}}), "ALGORITHM"},
      {"a changed header", with_header(good, {{"cty", "x"}}), "UNREADABLE"},
      {"a wrapped key", part(1, "AAAA"), "UNREADABLE"},
      {"a short nonce", part(2, "AAAA"), "UNREADABLE"},
      {"another nonce", flipped(2), "UNREADABLE"},
      {"other content", flipped(3), "UNREADABLE"},
      {"no content", part(3, ""), "UNREADABLE"},
      {"another tag", flipped(4), "UNREADABLE"},
      {"a short tag", part(4, to_base64url(from_base64url(split(good)[4])->substr(0, 4))), "UNREADABLE"},
      {"no tag", part(4, ""), "UNREADABLE"},
      {"a point that is not on the curve", with_header(good, off_curve), "UNREADABLE"},
      {"no point", with_header(good, {{"epk", nullptr}}), "UNREADABLE"},
      {"a point of another curve", with_header(good, {{"epk", {{"crv", "P-384"}}}}), "UNREADABLE"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    CHECK(reason(pair.key, row.envelope) == row.reason);
  }
}

TEST_CASE("a key file that cannot open anything is refused with what to do") {
  const Json good = Json::parse(make_p256_jwk()->octets());
  const auto changed = [&good](const Json& changes) {
    Json key = good;
    key.merge_patch(changes);
    return key.dump();
  };
  for (const std::string& bad :
       {std::string("AAAA"), std::string("[]"), changed({{"d", nullptr}}), changed({{"crv", "P-384"}}),
        changed({{"kty", "RSA"}}), changed({{"x", to_base64url(std::string(32, '\1'))}}),
        std::string(R"({"kty":"oct","k":"AAAA"})")}) {
    const auto key = IntakeKey::parse(Secret(bad));
    REQUIRE_FALSE(key.ok());
    CHECK_THAT(key.error().text, Catch::Contains("signetd keygen"));
  }
}

}  // namespace signet
