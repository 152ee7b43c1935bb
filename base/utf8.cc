#include "base/utf8.h"

namespace signet {

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto octet = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto more = [&](size_t i) { return static_cast<char32_t>(octet(i) & 0x3f); };
  if (octet(0) < 0x80) return {octet(0), 1};
  if (octet(0) < 0xe0) return {(octet(0) & 0x1fU) << 6 | more(1), 2};
  if (octet(0) < 0xf0) return {(octet(0) & 0x0fU) << 12 | more(1) << 6 | more(2), 3};
  return {(octet(0) & 0x07U) << 18 | more(1) << 12 | more(2) << 6 | more(3), 4};
}

void append_utf8(std::string& to, char32_t value) {
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) value = 0xfffd;
  const auto add = [&to](char32_t octet) { to += static_cast<char>(octet); };
  const auto add_more = [&add, value](int shift) { add(0x80 | ((value >> shift) & 0x3f)); };
  if (value < 0x80) return add(value);
  if (value < 0x800) {
    add(0xc0 | value >> 6);
    return add_more(0);
  }
  if (value < 0x10000) {
    add(0xe0 | value >> 12);
  } else {
    add(0xf0 | value >> 18);
    add_more(12);
  }
  add_more(6);
  add_more(0);
}

}  // namespace signet
