// Octets live in std::string (owned) and std::string_view (borrowed); text is UTF-8 in the same types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

std::string to_hex(std::string_view octets);  // lower case
Result<std::string> from_hex(std::string_view text);
std::string to_base64(std::string_view octets);  // RFC 4648 section 4, padded
Result<std::string> from_base64(std::string_view text);
std::string to_base64url(std::string_view octets);  // RFC 4648 section 5, without padding
Result<std::string> from_base64url(std::string_view text);
// application/x-www-form-urlencoded (WHATWG URL section 5): space is '+'.
void append_form(std::string& to, std::string_view value);
Result<std::string> from_form(std::string_view text);  // '+' and %XX

void append_u16(std::string& to, uint16_t value);  // big endian, like every u32, u64 here
void append_u32(std::string& to, uint32_t value);
void append_u64(std::string& to, uint64_t value);
uint64_t read_big_endian(std::string_view octets);  // up to 8

std::string lower_case(std::string_view text);  // ASCII's letters; other octets stay
// Takes the same time wherever they differ; false if the lengths differ.
bool is_equal_constant_time(std::string_view a, std::string_view b);
bool is_utf8(std::string_view text);  // RFC 3629: no surrogates, no overlong forms

}  // namespace signet
