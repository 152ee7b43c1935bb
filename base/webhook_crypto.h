// What providers' webhooks and APIs are signed with, beyond base/crypto.h and base/signature.h: old hashes, and RSA
// with the padding of PKCS #1 v1.5 (RFC 8017 section 8.2). For talking to providers only; nothing of ours is signed so.
// Thin over OpenSSL; keys are shared, not copied; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace signet {

enum class WebhookHash { md5, sha1, sha256, sha512 };

std::string md5(std::string_view data);                                           // 16 octets
std::string hmac(WebhookHash hash, std::string_view key, std::string_view data);  // RFC 2104; as long as the hash

class RsaVerifyKey {
 public:
  // The key of the first certificate in a PEM. Neither its dates nor who signed it are looked at: who fetched it knows
  // where it came from. RSA keys of 2048 to 8192 bits; else invalid.
  static Result<RsaVerifyKey> from_certificate(std::string_view pem);
  static Result<RsaVerifyKey> from_pem(std::string_view pem);  // "PUBLIC KEY"
  // False for md5 and sha512, which no provider signs with.
  bool verify(WebhookHash hash, std::string_view data, std::string_view signature) const;

 private:
  explicit RsaVerifyKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

class RsaSigningKey {
 public:
  static Result<RsaSigningKey> from_pem(const Secret& pem);  // PKCS #8 or PKCS #1; an encrypted one is refused
  Result<std::string> sign(WebhookHash hash, std::string_view data) const;

 private:
  explicit RsaSigningKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace signet
