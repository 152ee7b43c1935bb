#include "base/signature.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"

using namespace signet;

namespace {

std::string octets(std::string_view hexadecimal) { return from_hex(hexadecimal).value(); }

SigningKey made(SignatureAlgorithm algorithm) { return SigningKey::generate(algorithm).value(); }

const SignatureAlgorithm kBoth[] = {SignatureAlgorithm::ed25519, SignatureAlgorithm::p256};

// RFC 8032 section 7.1, tests 1 to 3.
struct Rfc8032 {
  const char *seed, *public_key, *message, *signature;
} kRfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
     "655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
     "b00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
     "c027beceea1ec40a"},
};

}  // namespace

TEST_CASE("Ed25519 gives the vectors of RFC 8032") {
  for (const auto& vector : kRfc8032) {
    const auto key = SigningKey::from_ed25519_seed(Secret(octets(vector.seed)));
    REQUIRE(key.ok());
    CHECK(to_hex(key->public_key().raw()) == vector.public_key);
    CHECK(to_hex(key->sign(octets(vector.message)).value()) == vector.signature);
    const auto check = VerifyKey::from_ed25519(octets(vector.public_key));
    REQUIRE(check.ok());
    CHECK(check->verify(octets(vector.message), octets(vector.signature)));
  }
}

// RFC 8037 appendix A.4: a JWS over the signing input with the key of RFC 8032's test 1.
TEST_CASE("Ed25519 gives the signature of RFC 8037") {
  const auto key = SigningKey::from_ed25519_seed(Secret(octets(kRfc8032[0].seed))).value();
  const std::string input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  CHECK(to_base64url(key.sign(input).value()) ==
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  CHECK(key.public_key().key_id() == to_hex(view(sha256(key.public_key().spki()))).substr(0, 16));
}

// RFC 6979 appendix A.2.5: P-256 with SHA-256, message "sample".
TEST_CASE("P-256 takes the signature of RFC 6979") {
  const std::string spki = octets("3059301306072a8648ce3d020106082a8648ce3d03010703420004") +
                           octets(
                               "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e"
                               "95628bc64f2f1b20c2d7e9f"
                               "5177a3c294d4462299");
  const std::string signature = octets(
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4"
      "064dc4ab2f843acda8");
  const auto key = VerifyKey::from_spki(spki);
  REQUIRE(key.ok());
  CHECK(key->algorithm() == SignatureAlgorithm::p256);
  CHECK(key->verify("sample", signature));
  CHECK_FALSE(key->verify("test", signature));
}

// Made by the WebCrypto of Node 20: exportKey("spki") and sign(), as a browser does.
TEST_CASE("keys and signatures of WebCrypto are taken as they are") {
  const std::string text = "two tablets a day";
  for (const auto& [spki, signature] :
       {std::pair{"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZCS648eB4fdmWP81WFpVQeqx5nrjEbilzyqzrloG/"
                  "ztHWk79W1wv2SqUAcjZQdY2bKdQhZr71ZK3cKCJDCqhrA==",
                  "cUYJHnkuuFNynE+GKT6VfoUIVj6QDA8m7/87rR/V8rouabxQTNpnN/YmPccPAYSL7jzcNmHANF9Mit7EcqumzA=="},
        std::pair{"MCowBQYDK2VwAyEAqsE/QoUZW4kEy0+Sq5kpvRvmjUWJv6YAzUxAgoKcGxo=",
                  "Riq67YET6JqDI+y4J0NHx8jY9cNu5cZHPbpic0zFMkfj7hxCWCyUozcIj17YVfxKPohAXgUeX9a7UgIYP1xMCw=="}}) {
    const auto key = VerifyKey::from_spki(from_base64(spki).value());
    REQUIRE(key.ok());
    CHECK(key->verify(text, from_base64(signature).value()));
    CHECK_FALSE(key->verify(text + ".", from_base64(signature).value()));
  }
}

TEST_CASE("what a key signs only that key verifies, and only unchanged") {
  for (const auto algorithm : kBoth) {
    const SigningKey key = made(algorithm), other = made(algorithm);
    for (const size_t size : {0, 1, 1000, 100'000}) {
      const std::string data(size, 'd');
      const std::string signature = key.sign(data).value();
      REQUIRE(signature.size() == kSignatureSize);
      CHECK(key.public_key().verify(data, signature));
      CHECK_FALSE(other.public_key().verify(data, signature));
      CHECK_FALSE(key.public_key().verify(data + "x", signature));
    }
    const std::string signature = key.sign("two a day").value();
    for (size_t bit = 0; bit < 8 * signature.size(); bit++) {
      std::string changed = signature;
      changed[bit / 8] ^= static_cast<char>(1 << (bit % 8));
      CHECK_FALSE(key.public_key().verify("two a day", changed));
    }
  }
}

TEST_CASE("a signature that is not 64 octets never verifies") {
  for (const auto algorithm : kBoth) {
    const SigningKey key = made(algorithm);
    const std::string signature = key.sign("x").value();
    CHECK_FALSE(key.public_key().verify("x", ""));
    CHECK_FALSE(key.public_key().verify("x", signature.substr(1)));
    CHECK_FALSE(key.public_key().verify("x", signature + '\0'));
    CHECK_FALSE(key.public_key().verify("x", std::string(64, '\0')));
    CHECK_FALSE(key.public_key().verify("x", std::string(64, '\xff')));
  }
}

TEST_CASE("one of many ECDSA signatures has a short r or s, and all verify") {
  const SigningKey key = made(SignatureAlgorithm::p256);
  bool had_short = false;
  for (int i = 0; i < 600; i++) {
    const std::string data = std::to_string(i), signature = key.sign(data).value();
    had_short = had_short || signature[0] == 0 || signature[32] == 0;
    REQUIRE(key.public_key().verify(data, signature));
  }
  CHECK(had_short);  // (255/256)^1200 < 1 %
}

TEST_CASE("keys survive being written and read") {
  for (const auto algorithm : kBoth) {
    const SigningKey key = made(algorithm);
    const std::string signature = key.sign("x").value();
    const auto from_pem = SigningKey::from_pem(key.pem().value());
    const auto from_der = SigningKey::from_der(key.der().value());
    REQUIRE(from_pem.ok());
    REQUIRE(from_der.ok());
    CHECK(from_pem->public_key().spki() == key.public_key().spki());
    CHECK(from_der->public_key().key_id() == key.public_key().key_id());
    CHECK(key.public_key().verify("y", from_der->sign("y").value()));
    const auto spki = VerifyKey::from_spki(key.public_key().spki());
    const auto pem = VerifyKey::from_pem(key.public_key().pem());
    REQUIRE(spki.ok());
    REQUIRE(pem.ok());
    CHECK(pem->spki() == key.public_key().spki());
    CHECK(spki->algorithm() == algorithm);
    CHECK(spki->verify("x", signature));
    CHECK(pem->key_id().size() == 16);
  }
}

TEST_CASE("what is no key of the two kinds is refused") {
  const std::string ed = made(SignatureAlgorithm::ed25519).public_key().spki();
  const std::string ec = made(SignatureAlgorithm::p256).public_key().spki();
  const auto is_refused = [](const std::string& der) {
    const auto key = VerifyKey::from_spki(der);
    return !key && key.error().code == ErrorCode::invalid;
  };
  CHECK(is_refused(""));
  for (const auto& good : {ed, ec}) {
    for (size_t size = 0; size < good.size(); size++) CHECK(is_refused(good.substr(0, size)));
    CHECK(is_refused(good + "x"));
  }
  std::string off_curve = ec;
  off_curve.back() ^= 1;
  CHECK(is_refused(off_curve));
  // The same point, compressed: a second spelling of a key.
  CHECK(is_refused(octets("3039301306072a8648ce3d020106082a8648ce3d030107032200") + (ec.back() & 1 ? '\3' : '\2') +
                   ec.substr(27, 32)));
  CHECK_FALSE(VerifyKey::from_pem("-----BEGIN PUBLIC KEY-----\n").ok());
  CHECK_FALSE(VerifyKey::from_ed25519("short").ok());
  CHECK_FALSE(SigningKey::from_pem(Secret("nothing")).ok());
  CHECK_FALSE(SigningKey::from_der(Secret("nothing")).ok());
  CHECK_FALSE(SigningKey::from_ed25519_seed(Secret("short")).ok());
}

TEST_CASE("an Ed25519 key for which anybody can sign is refused") {
  for (const char* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000080",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"})
    CHECK_FALSE(VerifyKey::from_ed25519(octets(point)).ok());
}

// Made with openssl genpkey for this test: P-384, and an encrypted Ed25519 key.
TEST_CASE("private keys of other kinds, and encrypted ones, are refused without asking for a passphrase") {
  CHECK_FALSE(SigningKey::from_pem(Secret(R"(-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBhoUQqrVbvZ4Be6apR
SN1D6iIezfOegv0u5/QtAF2ch4I8DtjBYCk/5WC/hHvBGn2hZANiAARKcM9fx8Sq
X2C8EAS5Xpjahoq56V1VImiZn5icC1NKDfn3BWVkRB5IyPfPwaGrMDTjwr56jG03
6NWApAyKVC6YU1/32il2yuTWFezmWwBovcgdDBbMRk8ZQ4t1XQgJPOY=
-----END PRIVATE KEY-----
)"))
                  .ok());
  CHECK_FALSE(SigningKey::from_pem(Secret(R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjTkswlN5RDRQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIEOymMCrrpbJDoN9+ALEOgEQMcJ
hx10IwpfbLzLDYhVwbSN6X9PI74Y28mrgpYw5kKrnwExwXIkJNusn1wE7Zlbt1If
UULouuZ3w5DNUzv5arI=
-----END ENCRYPTED PRIVATE KEY-----
)"))
                  .ok());
}

TEST_CASE("algorithms have names that read back") {
  for (const auto algorithm : kBoth) CHECK(parse_signature_algorithm(name(algorithm)) == algorithm);
  CHECK_FALSE(parse_signature_algorithm("none"));
  CHECK_FALSE(parse_signature_algorithm(""));
}

TEST_CASE("a key is used from several threads at once") {
  for (const auto algorithm : kBoth) {
    const SigningKey key = made(algorithm);
    std::vector<std::thread> threads;
    std::vector<int> good(4);
    for (size_t t = 0; t < good.size(); t++)
      threads.emplace_back([&key, &good, t] {
        for (int i = 0; i < 50; i++) {
          const std::string data = std::to_string(i) + std::to_string(t);
          good[t] += key.public_key().verify(data, key.sign(data).value()) ? 1 : 0;
        }
      });
    for (auto& thread : threads) thread.join();
    for (const int n : good) CHECK(n == 50);
  }
}
