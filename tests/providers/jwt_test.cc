#include "providers/jwt.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

std::string signed_by(const std::string& secret, const std::string& header, const std::string& claims) {
  const auto text = to_base64url(header) + "." + to_base64url(claims);
  return text + "." + to_base64url(view(hmac_sha256(secret, text)));
}

}  // namespace

TEST_CASE("a token of RS256 verifies with the public key and holds its claims") {
  const auto key = RsaSigningKey::from_pem(Secret(testing::read_text("tests/base/rsa_key.pem")));
  const auto certificate = RsaVerifyKey::from_certificate(testing::read_text("tests/base/rsa_certificate.pem"));
  REQUIRE(key);
  REQUIRE(certificate);
  const auto token = make_rs256_token(*key, R"({"iat":1})");
  REQUIRE(token);
  const auto last = token->rfind('.');
  CHECK(certificate->verify(WebhookHash::sha256, token->substr(0, last), *from_base64url(token->substr(last + 1))));
  CHECK(*from_base64url(token->substr(0, token->find('.'))) == R"({"alg":"RS256","typ":"JWT"})");
  CHECK(token->substr(token->find('.') + 1, last - token->find('.') - 1) == to_base64url(R"({"iat":1})"));
}

TEST_CASE("a token of HS256 opens with its secret only") {
  const std::string header = R"({"alg":"HS256","typ":"JWT"})", claims = R"({"iat":1})";
  const auto token = signed_by("secret", header, claims);
  const auto opened = open_hs256_token(token, "secret");
  REQUIRE(opened);
  CHECK(*opened == claims);
  CHECK(!open_hs256_token(token, "Secret"));
  CHECK(!open_hs256_token(token + "A", "secret"));
  CHECK(!open_hs256_token(token.substr(1), "secret"));
}

TEST_CASE("a token of another algorithm, or of no shape, opens with nothing") {
  const std::string claims = R"({"iat":1})";
  for (const std::string header :
       {R"({"alg":"none"})", R"({"alg":"HS512"})", R"({"alg":"RS256"})", R"({"alg":"hs256"})", R"({})", "[]", "",
        R"({"alg":"HS256","crit":["exp"],"exp":1})", R"({"alg":"none","alg":"HS256"})"}) {
    INFO(header);
    CHECK(!open_hs256_token(signed_by("secret", header, claims), "secret"));
  }
  const auto unsigned_token = to_base64url(R"({"alg":"none"})") + "." + to_base64url(claims) + ".";
  for (const auto& token :
       {unsigned_token, std::string(), std::string("."), std::string(".."), std::string("a.b"), std::string("a.b.c"),
        std::string("\xff.\xff.\xff"), std::string(10'000'000, 'a'), std::string(9000, '.')})
    CHECK(!open_hs256_token(token, "secret"));
}

}  // namespace signet
