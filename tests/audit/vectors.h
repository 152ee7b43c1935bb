// The published vectors of this room (tests/audit/audit_vectors.json names each block's source).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "audit/merkle.h"
#include "base/bytes.h"
#include "tests/base/files.h"

namespace signet {

inline const nlohmann::json& audit_vectors() {
  static const auto loaded = nlohmann::json::parse(read_file(SIGNET_SOURCE_DIR "/tests/audit/audit_vectors.json"));
  return loaded;
}

inline std::string octets_of_hex(const nlohmann::json& hexadecimal) {
  return from_hex(hexadecimal.get<std::string>()).value();
}
inline Digest digest_of_hex(const nlohmann::json& hexadecimal) { return digest_from(octets_of_hex(hexadecimal)); }

}  // namespace signet
