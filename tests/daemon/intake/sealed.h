// Seals as a back end would, in any way asked for, the refused ones too.
#pragma once

#include <string>

namespace signet {

struct Sealing {
  std::string algorithm = "ECDH-ES", encryption = "A256GCM";
  std::string key_id = {};  // of the header; empty: it has none
};
// A compact JWE; `jwk` has the public half at least. Throws where cjose does not do that.
std::string sealed(const std::string& jwk, const std::string& plain, const Sealing& sealing = {});

}  // namespace signet
