#include "base/bytes.h"

#include <array>

namespace signet {
namespace {

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(std::string_view in, const char* alphabet, bool padded) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  for (size_t i = 0; i < in.size(); i += 3) {
    const size_t left = in.size() - i;
    uint32_t group = static_cast<uint8_t>(in[i]) << 16;
    if (left > 1) group |= static_cast<uint8_t>(in[i + 1]) << 8;
    if (left > 2) group |= static_cast<uint8_t>(in[i + 2]);
    out += alphabet[group >> 18];
    out += alphabet[group >> 12 & 63];
    if (left > 1)
      out += alphabet[group >> 6 & 63];
    else if (padded)
      out += '=';
    if (left > 2)
      out += alphabet[group & 63];
    else if (padded)
      out += '=';
  }
  return out;
}

Result<std::string> decode64(std::string_view text, const char* alphabet, bool padded) {
  const Error bad{ErrorCode::invalid, padded ? "not base64" : "not base64url"};
  if (padded) {
    if (text.size() % 4 != 0) return bad;
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; i++) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return bad;
  std::array<int8_t, 256> value;
  value.fill(-1);
  for (int i = 0; i < 64; i++) value[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
  std::string out;
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    const int v = value[static_cast<uint8_t>(c)];
    if (v < 0) return bad;
    group = group << 6 | static_cast<uint32_t>(v);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(group >> bits & 0xff);
    }
  }
  if (bits > 0 && (group & ((1u << bits) - 1)) != 0) return bad;  // one value, one spelling
  return out;
}

// By table: which digit comes next cannot be guessed, so that branches cost more than all the rest.
constexpr auto kHexDigits = [] {
  std::array<int8_t, 256> out{};
  for (auto& value : out) value = -1;
  for (int i = 0; i < 10; i++) out[static_cast<size_t>('0' + i)] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; i++)
    out[static_cast<size_t>('a' + i)] = out[static_cast<size_t>('A' + i)] = static_cast<int8_t>(10 + i);
  return out;
}();
int hex_digit(char c) { return kHexDigits[static_cast<unsigned char>(c)]; }

}  // namespace

std::string to_hex(std::string_view octets) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(octets.size() * 2, '\0');
  for (size_t i = 0; i < octets.size(); i++) {
    const auto c = static_cast<unsigned char>(octets[i]);
    out[2 * i] = kHex[c >> 4];
    out[2 * i + 1] = kHex[c & 15];
  }
  return out;
}

Result<std::string> from_hex(std::string_view text) {
  const Error bad{ErrorCode::invalid, "not hexadecimal"};
  if (text.size() % 2 != 0) return bad;
  std::string out(text.size() / 2, '\0');
  for (size_t i = 0; i < out.size(); i++) {
    const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
    if ((high | low) < 0) return bad;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string to_base64(std::string_view octets) { return encode64(octets, kBase64, true); }
Result<std::string> from_base64(std::string_view text) { return decode64(text, kBase64, true); }
std::string to_base64url(std::string_view octets) { return encode64(octets, kBase64Url, false); }
Result<std::string> from_base64url(std::string_view text) { return decode64(text, kBase64Url, false); }

void append_form(std::string& to, std::string_view value) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  const size_t start = to.size();
  to.resize(start + value.size() * 3);
  char* at = to.data() + start;
  for (unsigned char c : value) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '*' ||
                       c == '-' || c == '.' || c == '_';
    if (plain) {
      *at++ = static_cast<char>(c);
    } else if (c == ' ') {
      *at++ = '+';
    } else {
      *at++ = '%';
      *at++ = kHex[c >> 4];
      *at++ = kHex[c & 15];
    }
  }
  to.resize(static_cast<size_t>(at - to.data()));
}

Result<std::string> from_form(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      if (i + 2 >= text.size()) return Error{ErrorCode::invalid, "a % without two digits"};
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return Error{ErrorCode::invalid, "a % without two hexadecimal digits"};
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

void append_u16(std::string& to, uint16_t value) {
  value = __builtin_bswap16(value);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append_u32(std::string& to, uint32_t value) {
  value = __builtin_bswap32(value);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append_u64(std::string& to, uint64_t value) {
  value = __builtin_bswap64(value);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

uint64_t read_big_endian(std::string_view octets) {
  SIGNET_CHECK(octets.size() <= 8);
  uint64_t value = 0;
  for (unsigned char c : octets) value = value << 8 | c;
  return value;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return out;
}

bool is_equal_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); i++) difference = difference | static_cast<uint8_t>(a[i] ^ b[i]);
  return difference == 0;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    size_t more = 0;
    uint32_t point = 0, least = 0;
    if (first < 0x80) {
      i++;
      continue;
    }
    if (first >= 0xc2 && first <= 0xdf) {
      more = 1;
      point = first & 0x1f;
      least = 0x80;
    } else if ((first & 0xf0) == 0xe0) {
      more = 2;
      point = first & 0x0f;
      least = 0x800;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      point = first & 0x07;
      least = 0x10000;
    } else
      return false;
    if (i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; k++) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace signet
