#include "base/webhook_crypto.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/check.h"

namespace signet {
namespace {

using Key = std::shared_ptr<evp_pkey_st>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr int kBitsMin = 2048, kBitsMax = 8192;
constexpr size_t kPemMax = 64 * 1024;

const unsigned char* octets(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

const EVP_MD* of(WebhookHash hash) {
  switch (hash) {
    case WebhookHash::md5:
      return EVP_md5();
    case WebhookHash::sha1:
      return EVP_sha1();
    case WebhookHash::sha256:
      return EVP_sha256();
    case WebhookHash::sha512:
      break;
  }
  return EVP_sha512();
}

int no_passphrase(char*, int, int, void*) { return -1; }  // OpenSSL would ask the terminal

Bio reader(std::string_view pem) {
  return {pem.size() > kPemMax ? nullptr : BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

// The key, if it is RSA of a size that is neither weak nor a burden.
Result<Key> checked(EVP_PKEY* raw, const char* why_not) {
  const Key key(raw, EVP_PKEY_free);
  ERR_clear_error();  // a refusal leaves entries that a later caller would take for its own
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key.get()) < kBitsMin ||
      EVP_PKEY_get_bits(key.get()) > kBitsMax)
    return Error{ErrorCode::invalid, why_not};
  return key;
}

}  // namespace

std::string md5(std::string_view data) {
  std::string out(16, '\0');
  unsigned size = 0;
  SIGNET_CHECK(EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_md5(),
                          nullptr) == 1);
  return out;
}

std::string hmac(WebhookHash hash, std::string_view key, std::string_view data) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  SIGNET_CHECK(HMAC(of(hash), key.data(), static_cast<int>(key.size()), octets(data), data.size(),
                    reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
  out.resize(size);
  return out;
}

Result<RsaVerifyKey> RsaVerifyKey::from_certificate(std::string_view pem) {
  const Bio in = reader(pem);
  const Certificate certificate(in ? PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr) : nullptr, X509_free);
  auto key = checked(certificate ? X509_get_pubkey(certificate.get()) : nullptr,
                     "not a certificate in PEM with an RSA key of 2048 bits or more");
  if (!key) return key.error();
  return RsaVerifyKey(std::move(*key));
}

Result<RsaVerifyKey> RsaVerifyKey::from_pem(std::string_view pem) {
  const Bio in = reader(pem);
  auto key = checked(in ? PEM_read_bio_PUBKEY(in.get(), nullptr, no_passphrase, nullptr) : nullptr,
                     "not a public RSA key of 2048 bits or more in PEM: it begins with -----BEGIN PUBLIC KEY-----");
  if (!key) return key.error();
  return RsaVerifyKey(std::move(*key));
}

bool RsaVerifyKey::verify(WebhookHash hash, std::string_view data, std::string_view signature) const {
  if (hash != WebhookHash::sha1 && hash != WebhookHash::sha256) return false;
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  SIGNET_CHECK(context != nullptr);
  const bool is_good =
      EVP_DigestVerifyInit(context.get(), nullptr, of(hash), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(data), data.size()) == 1;
  ERR_clear_error();
  return is_good;
}

Result<RsaSigningKey> RsaSigningKey::from_pem(const Secret& pem) {
  const Bio in = reader(pem.octets());
  auto key = checked(in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr) : nullptr,
                     "not a private RSA key of 2048 bits or more in PEM, not encrypted: it begins with "
                     "-----BEGIN PRIVATE KEY-----");
  if (!key) return key.error();
  return RsaSigningKey(std::move(*key));
}

Result<std::string> RsaSigningKey::sign(WebhookHash hash, std::string_view data) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string out(static_cast<size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  size_t size = out.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, of(hash), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, octets(data), data.size()) !=
          1) {
    ERR_clear_error();
    return Error{ErrorCode::io, "OpenSSL cannot sign with RSA"};
  }
  out.resize(size);
  return out;
}

}  // namespace signet
