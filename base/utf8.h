// Code points out of UTF-8 (RFC 3629) and back.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace signet {

struct CodePoint {
  char32_t value;
  size_t octets;  // that it takes in UTF-8
};
// The one that begins at `at`; the text is UTF-8 (is_utf8() in base/bytes.h has said so).
CodePoint code_point_at(std::string_view text, size_t at);
void append_utf8(std::string& to, char32_t value);  // up to U+10FFFF; a surrogate, or more, becomes U+FFFD

}  // namespace signet
