#include "base/signature.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

using Key = std::shared_ptr<evp_pkey_st>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

constexpr size_t kScalar = 32;  // octets of r and of s
constexpr size_t kEd25519 = 32, kPoint = 65;
// SubjectPublicKeyInfo up to the key itself: RFC 8410 section 4; RFC 5480 section 2.1.1.1 with the named curve.
constexpr std::string_view kEd25519Prefix("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
constexpr std::string_view kP256Prefix(
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00", 26);

const unsigned char* octets(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
Key own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }
Error failed(const char* what) {
  ERR_clear_error();
  return {ErrorCode::io, std::string("OpenSSL cannot ") + what};
}
Error refused(const char* why) {
  ERR_clear_error();
  return {ErrorCode::invalid, why};
}

// The points of order 1, 2, 4 and 8 and their other spellings, without the sign bit (RFC 7748 section 6.1 lists the
// like for X25519). With such a key the equation of RFC 8032 section 5.1.7 holds for signatures that nobody made.
bool is_small_order(std::string_view point) {
  static const std::array<std::string, 7> kSmall{
      std::string(32, '\0'),
      '\1' + std::string(31, '\0'),
      from_hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05").value(),
      from_hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a").value(),
      from_hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").value(),
      from_hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").value(),
      from_hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").value(),
  };
  std::string without_sign(point);
  without_sign.back() &= 0x7f;
  for (const auto& small : kSmall)
    if (without_sign == small) return true;
  return false;
}

Result<std::string> spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return failed("write a public key");
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

Secret drained(BIO* from) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(from, &data);
  return Secret(std::string(data, static_cast<size_t>(size)));
}

int no_passphrase(char*, int, int, void*) { return -1; }  // OpenSSL would ask the terminal

}  // namespace

std::string_view name(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::ed25519 ? "ed25519" : "p256";
}

std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view text) {
  for (const auto algorithm : {SignatureAlgorithm::ed25519, SignatureAlgorithm::p256})
    if (text == name(algorithm)) return algorithm;
  return std::nullopt;
}

std::string to_der_signature(std::string_view signature) {
  SIGNET_CHECK(signature.size() == kSignatureSize);
  const EcdsaSignature pair(ECDSA_SIG_new(), ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(octets(signature), kScalar, nullptr);
  BIGNUM* s = BN_bin2bn(octets(signature) + kScalar, kScalar, nullptr);
  SIGNET_CHECK(pair && r && s && ECDSA_SIG_set0(pair.get(), r, s) == 1);
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  SIGNET_CHECK(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::optional<std::string> from_der_signature(std::string_view der) {
  const unsigned char* at = octets(der);
  const unsigned char* const end = at + der.size();
  const EcdsaSignature pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ECDSA_SIG_free);
  ERR_clear_error();
  if (!pair || at != end) return std::nullopt;
  const BIGNUM *r = ECDSA_SIG_get0_r(pair.get()), *s = ECDSA_SIG_get0_s(pair.get());
  std::string out(kSignatureSize, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (BN_is_negative(r) || BN_is_negative(s) || BN_bn2binpad(r, to, kScalar) != static_cast<int>(kScalar) ||
      BN_bn2binpad(s, to + kScalar, kScalar) != static_cast<int>(kScalar))
    return std::nullopt;
  return out;
}

VerifyKey::VerifyKey(SignatureAlgorithm algorithm, std::string spki, std::shared_ptr<evp_pkey_st> key)
    : algorithm_(algorithm),
      spki_(std::move(spki)),
      key_id_(to_hex(view(sha256(spki_)).substr(0, 8))),
      key_(std::move(key)) {}

Result<VerifyKey> VerifyKey::from_spki(std::string_view der) {
  if (der.size() == kEd25519Prefix.size() + kEd25519 && der.starts_with(kEd25519Prefix))
    return from_ed25519(der.substr(kEd25519Prefix.size()));
  if (der.size() != kP256Prefix.size() + kPoint || !der.starts_with(kP256Prefix) || der[kP256Prefix.size()] != 4)
    return refused("not a public key of Ed25519 or P-256 (SubjectPublicKeyInfo, the point uncompressed)");
  const unsigned char* at = octets(der);
  const Key key = own(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key) return refused("not a point of P-256");
  return VerifyKey(SignatureAlgorithm::p256, std::string(der), key);
}

Result<VerifyKey> VerifyKey::from_pem(std::string_view pem) {
  const Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const Key key = own(in ? PEM_read_bio_PUBKEY(in.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key) return refused("not a public key in PEM: it begins with -----BEGIN PUBLIC KEY-----");
  auto der = spki_of(key.get());
  if (!der) return der.error();
  return from_spki(*der);
}

Result<VerifyKey> VerifyKey::from_ed25519(std::string_view raw_octets) {
  if (raw_octets.size() != kEd25519) return refused("an Ed25519 public key is 32 octets");
  if (is_small_order(raw_octets)) return refused("an Ed25519 public key for which anybody can sign");
  const Key key = own(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(raw_octets), kEd25519));
  if (!key) return refused("not an Ed25519 public key");
  return VerifyKey(SignatureAlgorithm::ed25519, std::string(kEd25519Prefix) + std::string(raw_octets), key);
}

std::string VerifyKey::pem() const {
  const std::string text = to_base64(spki_);
  std::string out = "-----BEGIN PUBLIC KEY-----\n";
  for (size_t i = 0; i < text.size(); i += 64) out += text.substr(i, 64) + '\n';
  return out + "-----END PUBLIC KEY-----\n";
}

std::string_view VerifyKey::raw() const {
  return std::string_view(spki_).substr(algorithm_ == SignatureAlgorithm::ed25519 ? kEd25519Prefix.size()
                                                                                  : kP256Prefix.size());
}

bool VerifyKey::verify(std::string_view data, std::string_view signature) const {
  if (signature.size() != kSignatureSize) return false;
  const bool is_ecdsa = algorithm_ == SignatureAlgorithm::p256;
  const std::string der = is_ecdsa ? to_der_signature(signature) : std::string(signature);
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  SIGNET_CHECK(context != nullptr);
  const bool is_good =
      EVP_DigestVerifyInit(context.get(), nullptr, is_ecdsa ? EVP_sha256() : nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), octets(der), der.size(), octets(data), data.size()) == 1;
  ERR_clear_error();  // a refusal leaves entries that a later caller would take for its own
  return is_good;
}

SigningKey::SigningKey(VerifyKey public_key, std::shared_ptr<evp_pkey_st> key)
    : public_key_(std::move(public_key)), key_(std::move(key)) {}

Result<SigningKey> SigningKey::of(std::shared_ptr<evp_pkey_st> key) {
  auto spki = spki_of(key.get());
  if (!spki) return spki.error();
  auto public_key = VerifyKey::from_spki(*spki);
  if (!public_key) return Error{ErrorCode::invalid, "not a private key of Ed25519 or P-256"};
  return SigningKey(std::move(*public_key), std::move(key));
}

Result<SigningKey> SigningKey::generate(SignatureAlgorithm algorithm) {
  const Key key = own(algorithm == SignatureAlgorithm::ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                                               : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (!key) return failed("make a signing key");
  return of(key);
}

Result<SigningKey> SigningKey::from_pem(const Secret& pkcs8) {
  const Bio in(BIO_new_mem_buf(pkcs8.octets().data(), static_cast<int>(pkcs8.octets().size())), BIO_free);
  const Key key = own(in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key) return refused("not a private key in PEM (PKCS #8, not encrypted): make one with 'signetd keygen'");
  return of(key);
}

Result<SigningKey> SigningKey::from_der(const Secret& pkcs8) {
  const unsigned char* at = octets(pkcs8.octets());
  const unsigned char* const end = at + pkcs8.octets().size();
  const Key key = own(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pkcs8.octets().size())));
  if (!key || at != end) return refused("not a private key in DER (PKCS #8)");
  return of(key);
}

Result<SigningKey> SigningKey::from_ed25519_seed(const Secret& seed) {
  if (seed.octets().size() != kEd25519) return refused("an Ed25519 seed is 32 octets");
  const Key key = own(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets(seed.octets()), kEd25519));
  if (!key) return failed("make a key from a seed");
  return of(key);
}

Result<Secret> SigningKey::pem() const {
  const Bio out(BIO_new(BIO_s_secmem()), BIO_free);
  if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed("write a signing key");
  return drained(out.get());
}

Result<Secret> SigningKey::der() const {
  const Bio out(BIO_new(BIO_s_secmem()), BIO_free);
  if (!out || i2d_PKCS8PrivateKey_bio(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed("write a signing key");
  return drained(out.get());
}

Result<std::string> SigningKey::sign(std::string_view data) const {
  const bool is_ecdsa = algorithm() == SignatureAlgorithm::p256;
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, 80> out;
  size_t size = out.size();
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, is_ecdsa ? EVP_sha256() : nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), out.data(), &size, octets(data), data.size()) != 1)
    return failed("sign");
  const std::string_view signature(reinterpret_cast<const char*>(out.data()), size);
  if (!is_ecdsa) return std::string(signature);
  auto pair = from_der_signature(signature);
  if (!pair) return failed("sign with ECDSA");
  return std::move(*pair);
}

}  // namespace signet
