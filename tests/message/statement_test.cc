#include "message/statement.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

Uuid person(int number) {
  Uuid id;
  id.bytes[15] = static_cast<uint8_t>(number);
  return id;
}

Statement sample() {
  Statement s;
  s.message_id = person(1);
  s.version = 3;
  s.envelope_commit = sha256("envelope");
  s.diff_commit = sha256("diff");
  s.validation_sha256 = sha256("validation");
  s.meaning = Meaning::second_signature;
  s.signer = person(2);
  s.role = Role::doctor;
  s.at = WallTime{1'800'000'000'123'456};
  s.policy_id = "signet-1";
  s.nonce = std::string(32, '\x0f');
  return s;
}

TEST_CASE("the canonical form of a statement is written to the letter") {
  auto s = sample();
  s.diff_commit = s.validation_sha256 = std::nullopt;
  CHECK(canonical(s) ==
        R"({"at":"2027-01-15T08:00:00.123456Z","decision":"approved","diffCommit":null,"envelopeCommit":")" +
            to_hex(view(sha256("envelope"))) +
            R"(","meaning":"second_signature","messageId":"00000000-0000-0000-0000-000000000001","nonce":")" +
            to_hex(s.nonce) +
            R"(","policyId":"signet-1","role":"doctor","signer":"00000000-0000-0000-0000-000000000002","v":1,)"
            R"("validationSha256":null,"version":3})");
}

TEST_CASE("a statement is read back as it was written, in the form of RFC 8785") {
  for (const auto decision : {Decision::approved, Decision::rejected})
    for (const auto meaning :
         {Meaning::approved, Meaning::approved_own_letter, Meaning::second_signature, Meaning::sent_directly})
      for (const bool has_diff : {false, true}) {
        auto s = sample();
        s.decision = decision;
        s.meaning = meaning;
        if (!has_diff) s.diff_commit = s.validation_sha256 = std::nullopt;
        CHECK(*canonicalize(canonical(s)) == canonical(s));
        const auto read = parse_statement(canonical(s));
        REQUIRE(read.ok());
        CHECK(*read == s);
      }
}

TEST_CASE("a member that is missing, unknown, named twice or of another type is refused") {
  using Json = nlohmann::json;
  const Json good = Json::parse(canonical(sample()));
  const auto is_refused = [](const std::string& text) { return !parse_statement(text).ok(); };
  CHECK_FALSE(is_refused(good.dump()));
  CHECK(good.size() == 13);
  for (const auto& [name, value] : good.items()) {
    INFO(name);
    Json changed = good;
    changed.erase(name);
    CHECK(is_refused(changed.dump()));
    CHECK_THAT(parse_statement(changed.dump()).error().text, Catch::Contains("`" + name + "`"));
    changed.emplace("x" + name, value);
    CHECK(is_refused(changed.dump()));
    for (const Json& other :
         {Json(true), Json(-1), Json(1.5), Json("?"), Json::array(), Json::object(), Json(nullptr)}) {
      changed = good;
      changed[name] = other;
      const bool is_free = name == "policyId" && other == "?";
      const bool may_be_none = (name == "diffCommit" || name == "validationSha256") && other.is_null();
      INFO(other);
      CHECK(is_refused(changed.dump()) == !(is_free || may_be_none));
    }
    std::string twice = good.dump();
    twice.insert(1, Json(name).dump() + ":" + value.dump() + ",");
    CHECK(is_refused(twice));
    changed = good;
    changed["zz"] = 1;
    CHECK(is_refused(changed.dump()));
  }
}

TEST_CASE("another form of the same statement is refused, since other bytes were signed") {
  const std::string good = canonical(sample());
  const auto replaced = [&good](const std::string& from, const std::string& to) {
    std::string out = good;
    return out.replace(out.find(from), from.size(), to);
  };
  for (const auto& bad :
       {good + " ", " " + good, good + good, good.substr(0, good.size() - 1), std::string("[]"), std::string(),
        replaced(":1,", ":1.0,"), replaced(":3}", ":3e0}"), replaced("\"v\":1", "\"v\":2"),
        replaced(",\"v\"", ", \"v\""), replaced("0f0f", "0F0F"), replaced(".123456Z", ".123456+00:00"),
        replaced(".123456Z", ".1234560Z"), replaced("approved", "\\u0061pproved"), replaced("signet-1", "signet-1\xff"),
        replaced("signet-1", std::string(5000, 'p')), replaced("0f0f", "0f")}) {
    INFO(bad);
    CHECK_FALSE(parse_statement(bad).ok());
  }
}

TEST_CASE("each changed octet is refused or gives another statement") {
  const std::string good = canonical(sample());
  for (size_t i = 0; i < good.size(); ++i)
    for (const int flip : {0x01, 0x20, 0x80}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      const auto read = parse_statement(bad);
      if (read.ok()) CHECK_FALSE(*read == sample());
    }
}

TEST_CASE("a diff is committed to under its salt") {
  const std::string salt(32, 's');
  CHECK(diff_commit(salt, "{}") == hmac_sha256(salt, "{}"));
  CHECK(diff_commit(salt, "{}") != diff_commit(std::string(32, 't'), "{}"));
}

}  // namespace
}  // namespace signet
