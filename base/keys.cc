#include "base/keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
constexpr size_t kCoordinate = 32;

Error failed(const char* what) { return {ErrorCode::io, std::string("OpenSSL cannot make ") + what}; }

Result<Secret> pem_of(const Key& key, const char* what) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_secmem()), BIO_free);
  if (!key || !out || PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed(what);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return Secret(std::string(data, static_cast<size_t>(size)));
}

}  // namespace

Secret make_key_base64(Random& random) {
  std::string octets(32, '\0');
  random.fill(octets.data(), octets.size());
  const Secret raw(std::move(octets));
  return Secret(to_base64(raw.octets()) + "\n");
}

Result<Secret> make_ed25519_pem() {
  return pem_of(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free), "an Ed25519 key");
}

Result<Secret> make_rsa_pem() {
  return pem_of(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}), EVP_PKEY_free), "an RSA key");
}

Result<std::string> self_signed_certificate(const Secret& rsa_pem, const std::string& host) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(rsa_pem.octets().data(), static_cast<int>(rsa_pem.octets().size())), BIO_free);
  const Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  if (!key || !made || !out) return failed("a certificate");
  X509_NAME* name = X509_get_subject_name(made.get());
  const auto* octets = reinterpret_cast<const unsigned char*>(host.data());
  const bool is_made =
      X509_set_version(made.get(), X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1) == 1 &&
      ASN1_TIME_set_string(X509_getm_notBefore(made.get()), "20260101000000Z") == 1 &&
      ASN1_TIME_set_string(X509_getm_notAfter(made.get()), "20460101000000Z") == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, octets, static_cast<int>(host.size()), -1, 0) == 1 &&
      X509_set_issuer_name(made.get(), name) == 1 && X509_set_pubkey(made.get(), key.get()) == 1 &&
      X509_sign(made.get(), key.get(), EVP_sha256()) > 0 && PEM_write_bio_X509(out.get(), made.get()) == 1;
  if (!is_made) return failed("a certificate");
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

Result<Secret> make_p256_jwk() {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free);
  if (!key) return failed("a P-256 key");
  std::array<unsigned char, 2 * kCoordinate + 1> point{};  // 04, x, y
  size_t size = 0;
  BIGNUM* number = nullptr;
  const bool has_point =
      EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) == 1 &&
      size == point.size() && point[0] == 4;
  if (!has_point || EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1)
    return failed("a P-256 key");
  const std::unique_ptr<BIGNUM, decltype(&BN_clear_free)> owned(number, BN_clear_free);
  std::string scalar(kCoordinate, '\0');
  if (BN_bn2binpad(number, reinterpret_cast<unsigned char*>(scalar.data()), kCoordinate) != kCoordinate)
    return failed("a P-256 key");
  const Secret d(std::move(scalar));
  const std::string_view public_octets(reinterpret_cast<const char*>(point.data()) + 1, 2 * kCoordinate);
  const std::string x = to_base64url(public_octets.substr(0, kCoordinate));
  const std::string y = to_base64url(public_octets.substr(kCoordinate));
  // RFC 7638: the thumbprint over the required members in this order names the key.
  const std::string kid =
      to_base64url(view(sha256(R"({"crv":"P-256","kty":"EC","x":")" + x + R"(","y":")" + y + "\"}")));
  return Secret(R"({"kty":"EC","crv":"P-256","use":"enc","alg":"ECDH-ES","kid":")" + kid + R"(","x":")" + x +
                R"(","y":")" + y + R"(","d":")" + to_base64url(d.octets()) + "\"}\n");
}

}  // namespace signet
