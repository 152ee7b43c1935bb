// The published vectors of this room (tests/audit/audit_vectors.json names each block's source).
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/base/files.h"

namespace signet {

inline std::string audit_vectors_text() { return read_file(SIGNET_SOURCE_DIR "/tests/audit/audit_vectors.json"); }
inline std::string octets_of_hex(const std::string& hexadecimal) { return from_hex(hexadecimal).value(); }
inline Digest digest_of_hex(const std::string& hexadecimal) { return digest_from(octets_of_hex(hexadecimal)); }

}  // namespace signet
