// RFC 8785 (JCS): the one byte form of a JSON value, so that it can be hashed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

// Parses and rewrites. Refuses what I-JSON (RFC 7493) does: duplicate member names, lone surrogates, bad UTF-8,
// numbers that overflow a double. At most 64 levels deep.
Result<std::string> canonicalize(std::string_view json);

// Pieces for callers that already write members in sorted order.
void append_json_string(std::string& to, std::string_view utf8);  // with quotes
std::string canonical_number(double value);                       // ES6 form; value is finite

}  // namespace signet
