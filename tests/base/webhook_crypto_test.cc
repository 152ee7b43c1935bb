#include "base/webhook_crypto.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/bytes.h"
#include "base/signature.h"

using namespace signet;

namespace {

std::string file(const std::string& name) {  // made for these tests by `openssl req -x509 -newkey rsa:2048`
  std::ifstream in(std::string(SIGNET_SOURCE_DIR) + "/tests/base/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

RsaSigningKey signing_key() {
  auto key = RsaSigningKey::from_pem(Secret(file("rsa_key.pem")));
  REQUIRE(key);
  return *key;
}

}  // namespace

TEST_CASE("a webhook's hashes give the values of their RFCs") {
  CHECK(to_hex(md5("abc")) == "900150983cd24fb0d6963f7d28e17f72");  // RFC 1321
  struct Row {
    WebhookHash hash;
    std::string hex;
  };
  for (auto& row : std::vector<Row>{
           {WebhookHash::md5, "750c783e6ab0b503eaa86e310a5db738"},                                     // RFC 2202
           {WebhookHash::sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},                            // RFC 2202
           {WebhookHash::sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},  // RFC 4231
           {WebhookHash::sha512,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
       })
    CHECK(to_hex(hmac(row.hash, "Jefe", "what do ya want for nothing?")) == row.hex);
}

TEST_CASE("what an RSA key signed verifies with its certificate, and nothing else does") {
  const auto key = RsaVerifyKey::from_certificate(file("rsa_certificate.pem"));
  REQUIRE(key);
  for (const auto hash : {WebhookHash::sha1, WebhookHash::sha256}) {
    auto signature = signing_key().sign(hash, "text");
    REQUIRE(signature);
    CHECK(signature->size() == 256);
    CHECK(key->verify(hash, "text", *signature));
    CHECK(!key->verify(hash, "texts", *signature));
    CHECK(!key->verify(hash == WebhookHash::sha1 ? WebhookHash::sha256 : WebhookHash::sha1, "text", *signature));
    CHECK(!key->verify(hash, "text", ""));
    CHECK(!key->verify(hash, "text", *signature + "x"));
    signature->back() ^= 1;
    CHECK(!key->verify(hash, "text", *signature));
  }
  auto with_md5 = signing_key().sign(WebhookHash::md5, "text");
  REQUIRE(with_md5);
  CHECK(!key->verify(WebhookHash::md5, "text", *with_md5));
}

TEST_CASE("an RSA key that is none, or of another kind, is refused without its text") {
  CHECK(!RsaVerifyKey::from_certificate(""));
  CHECK(!RsaVerifyKey::from_certificate("<html>not found</html>"));
  CHECK(!RsaVerifyKey::from_certificate(file("rsa_key.pem")));
  CHECK(!RsaVerifyKey::from_certificate(std::string(1 << 20, 'A')));
  auto half = file("rsa_certificate.pem");
  CHECK(!RsaVerifyKey::from_certificate(half.substr(0, half.size() / 2)));
  CHECK(!RsaVerifyKey::from_pem(half));
  CHECK(!RsaSigningKey::from_pem(Secret(half)));
  auto ed25519 = SigningKey::generate(SignatureAlgorithm::ed25519);
  REQUIRE(ed25519);
  CHECK(!RsaVerifyKey::from_pem(ed25519->public_key().pem()));
  auto refused = RsaSigningKey::from_pem(*ed25519->pem());
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::invalid);
  CHECK(refused.error().text.find("BEGIN PRIVATE KEY") != std::string::npos);
}

TEST_CASE("an ECDSA signature goes to DER and back, and only a whole one does") {
  const auto key = SigningKey::generate(SignatureAlgorithm::p256);
  REQUIRE(key);
  for (int i = 0; i < 20; i++) {
    const auto signature = key->sign("text " + std::to_string(i));
    REQUIRE(signature);
    const auto der = to_der_signature(*signature);
    CHECK(from_der_signature(der) == *signature);
    CHECK(!from_der_signature(der + '\0'));
    CHECK(!from_der_signature(der.substr(0, der.size() - 1)));
  }
  for (std::string_view hex : {"", "30", "3000", "30060201010201ff", "3006020181020101", "3006020101020101ff"})
    CHECK(!from_der_signature(*from_hex(hex)));
  CHECK(from_der_signature(*from_hex("3006020101020102")));
}
