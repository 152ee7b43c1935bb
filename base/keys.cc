#include "base/keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

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
