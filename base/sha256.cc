#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace signet {

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  SIGNET_CHECK(impl_->context && EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(std::string_view octets) {
  SIGNET_CHECK(EVP_DigestUpdate(impl_->context, octets.data(), octets.size()) == 1);
}

Digest Sha256::finish() {
  Digest out{};
  SIGNET_CHECK(EVP_DigestFinal_ex(impl_->context, out.data(), nullptr) == 1);
  return out;
}

}  // namespace signet
