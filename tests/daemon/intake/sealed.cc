#include "tests/daemon/intake/sealed.h"

#include <cjose/cjose.h>

#include <memory>
#include <stdexcept>

namespace signet {

std::string sealed(const std::string& jwk, const std::string& plain, const Sealing& sealing) {
  cjose_err error{};
  const auto must = [&error](auto* made) {
    if (made == nullptr) throw std::runtime_error(std::string("cjose: ") + error.message);
    return made;
  };
  const std::unique_ptr<cjose_jwk_t, bool (*)(cjose_jwk_t*)> key(must(cjose_jwk_import(jwk.data(), jwk.size(), &error)),
                                                                 cjose_jwk_release);
  const std::unique_ptr<cjose_header_t, void (*)(cjose_header_t*)> header(must(cjose_header_new(&error)),
                                                                          cjose_header_release);
  cjose_header_set(header.get(), CJOSE_HDR_ALG, sealing.algorithm.c_str(), &error);
  cjose_header_set(header.get(), CJOSE_HDR_ENC, sealing.encryption.c_str(), &error);
  if (!sealing.key_id.empty()) cjose_header_set(header.get(), CJOSE_HDR_KID, sealing.key_id.c_str(), &error);
  const auto* octets = reinterpret_cast<const uint8_t*>(plain.data());
  const std::unique_ptr<cjose_jwe_t, void (*)(cjose_jwe_t*)> jwe(
      must(cjose_jwe_encrypt(key.get(), header.get(), octets, plain.size(), &error)), cjose_jwe_release);
  const std::unique_ptr<char, void (*)(void*)> compact(must(cjose_jwe_export(jwe.get(), &error)), cjose_get_dealloc());
  return compact.get();
}

}  // namespace signet
