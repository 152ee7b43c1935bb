#include "providers/sms_text.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/bytes.h"
#include "base/utf8.h"

namespace signet {
namespace {

constexpr char kEscape = 0x1b;
constexpr char32_t kUnknown = 0xfffd;

// 3GPP TS 23.038 section 6.2.1; 0x1b escapes to the extension.
constexpr char32_t kGsm[128] = {
    '@',   0xa3, '$',   0xa5,  0xe8,  0xe9,  0xf9,  0xec,  0xf2,  0xc7,  '\n',  0xd8, 0xf8, '\r', 0xc5, 0xe5,
    0x394, '_',  0x3a6, 0x393, 0x39b, 0x3a9, 0x3a0, 0x3a8, 0x3a3, 0x398, 0x39e, 0,    0xc6, 0xe6, 0xdf, 0xc9,
    ' ',   '!',  '"',   '#',   0xa4,  '%',   '&',   '\'',  '(',   ')',   '*',   '+',  ',',  '-',  '.',  '/',
    '0',   '1',  '2',   '3',   '4',   '5',   '6',   '7',   '8',   '9',   ':',   ';',  '<',  '=',  '>',  '?',
    0xa1,  'A',  'B',   'C',   'D',   'E',   'F',   'G',   'H',   'I',   'J',   'K',  'L',  'M',  'N',  'O',
    'P',   'Q',  'R',   'S',   'T',   'U',   'V',   'W',   'X',   'Y',   'Z',   0xc4, 0xd6, 0xd1, 0xdc, 0xa7,
    0xbf,  'a',  'b',   'c',   'd',   'e',   'f',   'g',   'h',   'i',   'j',   'k',  'l',  'm',  'n',  'o',
    'p',   'q',  'r',   's',   't',   'u',   'v',   'w',   'x',   'y',   'z',   0xe4, 0xf6, 0xf1, 0xfc, 0xe0};

struct Extended {
  char septet;
  char32_t value;
};
constexpr Extended kExtension[] = {{0x0a, 0x0c}, {0x14, '^'}, {0x28, '{'}, {0x29, '}'}, {0x2f, '\\'},
                                   {0x3c, '['},  {0x3d, '~'}, {0x3e, ']'}, {0x40, '|'}, {0x65, 0x20ac}};

const std::map<char32_t, std::string>& septets_of() {
  static const std::map<char32_t, std::string> all = [] {
    std::map<char32_t, std::string> out;
    for (size_t i = 0; i < std::size(kGsm); i++)
      if (kGsm[i] != 0) out[kGsm[i]] = std::string(1, static_cast<char>(i));
    for (const auto& row : kExtension) out[row.value] = {kEscape, row.septet};
    return out;
  }();
  return all;
}

bool append_in(std::string& to, char32_t value, SmsAlphabet alphabet) {
  switch (alphabet) {
    case SmsAlphabet::gsm: {
      const auto found = septets_of().find(value);
      if (found == septets_of().end()) return false;
      to += found->second;
      return true;
    }
    case SmsAlphabet::latin1:
      if (value > 0xff) return false;
      to += static_cast<char>(value);
      return true;
    case SmsAlphabet::ucs2:
      break;
  }
  if (value < 0x10000) {
    append_u16(to, static_cast<uint16_t>(value));
    return true;
  }
  const char32_t beyond = value - 0x10000;
  append_u16(to, static_cast<uint16_t>(0xd800 | beyond >> 10));
  append_u16(to, static_cast<uint16_t>(0xdc00 | (beyond & 0x3ff)));
  return true;
}

std::string decode_gsm(std::string_view octets) {
  std::string out;
  for (size_t i = 0; i < octets.size(); i++) {
    auto octet = static_cast<unsigned char>(octets[i]);
    if (octets[i] == kEscape && i + 1 < octets.size()) {
      const auto* found = std::find_if(std::begin(kExtension), std::end(kExtension),
                                       [&](const Extended& row) { return row.septet == octets[i + 1]; });
      if (found != std::end(kExtension)) {
        append_utf8(out, found->value);
        i++;
        continue;
      }
    }
    append_utf8(out, octet < 128 && kGsm[octet] != 0 ? kGsm[octet] : kUnknown);
  }
  return out;
}

std::string decode_ucs2(std::string_view octets) {
  std::string out;
  const auto unit_at = [&](size_t at) { return static_cast<char32_t>(read_big_endian(octets.substr(at, 2))); };
  for (size_t i = 0; i + 1 < octets.size(); i += 2) {
    char32_t value = unit_at(i);
    const bool is_high = value >= 0xd800 && value < 0xdc00;
    if (is_high && i + 3 < octets.size() && (unit_at(i + 2) & 0xfc00) == 0xdc00) {
      value = 0x10000 + ((value & 0x3ff) << 10 | (unit_at(i + 2) & 0x3ff));
      i += 2;
    }
    append_utf8(out, value);
  }
  return out;
}

struct Sizes {
  size_t whole, part, wide_part;  // in octets here: a septet takes one
};
Sizes sizes_of(SmsAlphabet alphabet) {
  switch (alphabet) {
    case SmsAlphabet::gsm:
      return {160, 153, 152};
    case SmsAlphabet::latin1:
      return {140, 134, 133};
    case SmsAlphabet::ucs2:
      break;
  }
  return {140, 134, 132};
}

// Whether a part that ends before `at` cuts a character in two.
bool is_within_character(std::string_view octets, size_t at, SmsAlphabet alphabet) {
  if (alphabet == SmsAlphabet::gsm) return octets[at - 1] == kEscape;
  return alphabet == SmsAlphabet::ucs2 && (static_cast<unsigned char>(octets[at]) & 0xfc) == 0xdc;
}

}  // namespace

std::optional<std::string> encode_sms(std::string_view text, SmsAlphabet alphabet) {
  if (!is_utf8(text)) return std::nullopt;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!append_in(out, c.value, alphabet)) return std::nullopt;
    at += c.octets;
  }
  return out;
}

std::string decode_sms(std::string_view octets, SmsAlphabet alphabet) {
  if (alphabet == SmsAlphabet::gsm) return decode_gsm(octets);
  if (alphabet == SmsAlphabet::ucs2) return decode_ucs2(octets);
  std::string out;
  for (char c : octets) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

std::vector<std::string> split_sms(std::string_view octets, SmsAlphabet alphabet, SmsJoin join) {
  const Sizes sizes = sizes_of(alphabet);
  if (octets.size() <= sizes.whole) return {std::string(octets)};
  const size_t part_max = join == SmsJoin::wide_header ? sizes.wide_part : sizes.part;
  std::vector<std::string> out;
  while (!octets.empty()) {
    size_t size = std::min(part_max, octets.size());
    if (size < octets.size() && is_within_character(octets, size, alphabet))
      size -= alphabet == SmsAlphabet::gsm ? 1 : 2;
    out.emplace_back(octets.substr(0, size));
    octets.remove_prefix(size);
  }
  return out;
}

std::string sms_header(SmsJoin join, uint16_t reference, size_t total, size_t number) {
  std::string out = join == SmsJoin::wide_header ? std::string("\x06\x08\x04", 3) : std::string("\x05\x00\x03", 3);
  if (join == SmsJoin::wide_header)
    append_u16(out, reference);
  else
    out += static_cast<char>(reference & 0xff);
  out += static_cast<char>(total);
  out += static_cast<char>(number);
  return out;
}

std::string_view without_sms_header(std::string_view octets) {
  if (octets.empty()) return octets;
  const size_t size = 1 + static_cast<size_t>(static_cast<unsigned char>(octets[0]));
  return size > octets.size() ? octets : octets.substr(size);
}

}  // namespace signet
