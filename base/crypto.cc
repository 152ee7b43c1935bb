#include "base/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

#include <cstring>
#include <memory>

#include "base/check.h"

namespace signet {
namespace {

struct FreeDigest {
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};
struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
};
struct FreeMd {
  void operator()(EVP_MD* m) const { EVP_MD_free(m); }
};
struct FreeCipherType {
  void operator()(EVP_CIPHER* c) const { EVP_CIPHER_free(c); }
};

// OpenSSL 3 looks an algorithm up by name on each use unless it was fetched; once a thread is enough.
struct Algorithms {
  std::unique_ptr<EVP_MD, FreeMd> sha256{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  std::unique_ptr<EVP_CIPHER, FreeCipherType> gcm{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)};
  std::unique_ptr<EVP_MD_CTX, FreeDigest> digest{EVP_MD_CTX_new()};
  std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> cipher{EVP_CIPHER_CTX_new()};
};
Algorithms& algorithms() {
  thread_local Algorithms a;
  return a;
}

const unsigned char* octets(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

}  // namespace

std::string_view view(const Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

Digest digest_from(std::string_view thirty_two_octets) {
  SIGNET_CHECK(thirty_two_octets.size() == 32);
  Digest d;
  std::memcpy(d.data(), thirty_two_octets.data(), 32);
  return d;
}

Digest sha256(std::string_view data) {
  auto& a = algorithms();
  Digest out;
  SIGNET_CHECK(EVP_DigestInit_ex(a.digest.get(), a.sha256.get(), nullptr) == 1 &&
               EVP_DigestUpdate(a.digest.get(), data.data(), data.size()) == 1 &&
               EVP_DigestFinal_ex(a.digest.get(), out.data(), nullptr) == 1);
  return out;
}

// RFC 2104 by hand over the fetched digest: EVP_MAC costs a fetch and an allocation on each call.
Digest hmac_sha256(std::string_view key, std::string_view data) {
  auto& a = algorithms();
  Digest shortened;
  if (key.size() > 64) {
    shortened = sha256(key);
    key = view(shortened);
  }
  std::array<uint8_t, 64> inner_pad, outer_pad;
  inner_pad.fill(0x36);
  outer_pad.fill(0x5c);
  for (size_t i = 0; i < key.size(); i++) {
    inner_pad[i] ^= static_cast<uint8_t>(key[i]);
    outer_pad[i] ^= static_cast<uint8_t>(key[i]);
  }
  Digest inner, out;
  SIGNET_CHECK(EVP_DigestInit_ex(a.digest.get(), a.sha256.get(), nullptr) == 1 &&
               EVP_DigestUpdate(a.digest.get(), inner_pad.data(), 64) == 1 &&
               EVP_DigestUpdate(a.digest.get(), data.data(), data.size()) == 1 &&
               EVP_DigestFinal_ex(a.digest.get(), inner.data(), nullptr) == 1);
  SIGNET_CHECK(EVP_DigestInit_ex(a.digest.get(), a.sha256.get(), nullptr) == 1 &&
               EVP_DigestUpdate(a.digest.get(), outer_pad.data(), 64) == 1 &&
               EVP_DigestUpdate(a.digest.get(), inner.data(), inner.size()) == 1 &&
               EVP_DigestFinal_ex(a.digest.get(), out.data(), nullptr) == 1);
  return out;
}

std::string hmac_sha1(std::string_view key, std::string_view data) {
  std::string out(20, '\0');
  unsigned size = 0;
  SIGNET_CHECK(HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), octets(data), data.size(),
                    reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
  return out;
}

std::string seal(std::string_view key, std::string_view aad, std::string_view plain, Random& random) {
  SIGNET_CHECK(key.size() == 32);
  auto& a = algorithms();
  std::string out(12 + plain.size() + 16, '\0');
  auto* p = reinterpret_cast<unsigned char*>(out.data());
  random.fill(p, 12);
  int n = 0;
  SIGNET_CHECK(EVP_EncryptInit_ex(a.cipher.get(), a.gcm.get(), nullptr, octets(key), p) == 1);
  SIGNET_CHECK(EVP_EncryptUpdate(a.cipher.get(), nullptr, &n, octets(aad), static_cast<int>(aad.size())) == 1);
  SIGNET_CHECK(EVP_EncryptUpdate(a.cipher.get(), p + 12, &n, octets(plain), static_cast<int>(plain.size())) == 1);
  SIGNET_CHECK(EVP_EncryptFinal_ex(a.cipher.get(), p + 12 + n, &n) == 1);
  SIGNET_CHECK(EVP_CIPHER_CTX_ctrl(a.cipher.get(), EVP_CTRL_GCM_GET_TAG, 16, p + 12 + plain.size()) == 1);
  return out;
}

Result<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed) {
  SIGNET_CHECK(key.size() == 32);
  const Error corrupt{ErrorCode::corrupt, "sealed data does not verify: it was changed, or sealed with another key"};
  if (sealed.size() < kSealOverhead) return corrupt;
  auto& a = algorithms();
  const size_t size = sealed.size() - kSealOverhead;
  std::string plain(size, '\0');
  std::array<unsigned char, 16> tag;
  std::memcpy(tag.data(), sealed.data() + 12 + size, 16);
  int n = 0;
  auto* to = reinterpret_cast<unsigned char*>(plain.data());
  SIGNET_CHECK(EVP_DecryptInit_ex(a.cipher.get(), a.gcm.get(), nullptr, octets(key), octets(sealed)) == 1);
  SIGNET_CHECK(EVP_DecryptUpdate(a.cipher.get(), nullptr, &n, octets(aad), static_cast<int>(aad.size())) == 1);
  SIGNET_CHECK(EVP_DecryptUpdate(a.cipher.get(), to, &n, octets(sealed) + 12, static_cast<int>(size)) == 1);
  SIGNET_CHECK(EVP_CIPHER_CTX_ctrl(a.cipher.get(), EVP_CTRL_GCM_SET_TAG, 16, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(a.cipher.get(), to + n, &n) != 1) return corrupt;
  return plain;
}

}  // namespace signet
