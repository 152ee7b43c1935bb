// Signatures of people and of the log: Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256 (FIPS 186-5), over OpenSSL.
// Keys are shared, not copied; const use from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace signet {

enum class SignatureAlgorithm : int16_t { ed25519 = 1, p256 = 2 };  // the numbers are stored

std::string_view name(SignatureAlgorithm algorithm);
std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view name);

constexpr size_t kSignatureSize = 64;  // of both: R || S (RFC 8032), r || s (IEEE P1363, as WebCrypto gives it)

// ECDSA's other form, a DER SEQUENCE of two INTEGERs (RFC 3279 section 2.2.3), of a signature of kSignatureSize octets,
// and back; none: not such a signature of P-256, or something behind it.
std::string to_der_signature(std::string_view signature);
std::optional<std::string> from_der_signature(std::string_view der);

class VerifyKey {
 public:
  // SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7), as WebCrypto exports "spki". A key has one spelling: P-256
  // by its name and with an uncompressed point. Ed25519 points of small order, for which anybody can sign, are refused.
  static Result<VerifyKey> from_spki(std::string_view der);
  static Result<VerifyKey> from_pem(std::string_view pem);             // the same as "PUBLIC KEY"
  static Result<VerifyKey> from_ed25519(std::string_view raw_octets);  // 32 octets

  SignatureAlgorithm algorithm() const { return algorithm_; }
  const std::string& spki() const { return spki_; }
  std::string pem() const;
  std::string_view raw() const;  // Ed25519: 32 octets; P-256: 04 || x || y; lives as long as this
  const std::string& key_id() const { return key_id_; }  // the first 16 digits of SHA-256(spki)
  // A signature that is not 64 octets never verifies.
  bool verify(std::string_view data, std::string_view signature) const;

 private:
  VerifyKey(SignatureAlgorithm algorithm, std::string spki, std::shared_ptr<evp_pkey_st> key);

  SignatureAlgorithm algorithm_;
  std::string spki_, key_id_;
  std::shared_ptr<evp_pkey_st> key_;
};

class SigningKey {
 public:
  static Result<SigningKey> generate(SignatureAlgorithm algorithm);
  static Result<SigningKey> from_pem(const Secret& pkcs8);          // "PRIVATE KEY"; an encrypted one is refused
  static Result<SigningKey> from_der(const Secret& pkcs8);          // RFC 5958, RFC 8410
  static Result<SigningKey> from_ed25519_seed(const Secret& seed);  // 32 octets

  const VerifyKey& public_key() const { return public_key_; }
  SignatureAlgorithm algorithm() const { return public_key_.algorithm(); }
  Result<Secret> pem() const;  // PKCS #8
  Result<Secret> der() const;
  Result<std::string> sign(std::string_view data) const;  // kSignatureSize octets

 private:
  SigningKey(VerifyKey public_key, std::shared_ptr<evp_pkey_st> key);
  static Result<SigningKey> of(std::shared_ptr<evp_pkey_st> key);

  VerifyKey public_key_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace signet
