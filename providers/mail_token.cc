#include "providers/mail_token.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/crypto.h"

namespace signet {
namespace {

// 30 octets, which base32 takes without padding: the message's id, the attempt's number, 96 bits of HMAC-SHA256.
constexpr size_t kNamedSize = 18, kProofSize = 12;
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648 section 6, in lower case

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto at = kAlphabet.find(c);
  return at == kAlphabet.npos ? -1 : static_cast<int>(at);
}

std::string to_base32(std::string_view octets) {
  std::string out;
  unsigned bits = 0, held = 0;
  for (const unsigned char octet : octets) {
    bits = (bits << 8 | octet) & 0xfff;
    for (held += 8; held >= 5; held -= 5) out += kAlphabet[bits >> (held - 5) & 31];
  }
  return out;
}

std::string from_base32(std::string_view text) {  // of the alphabet only, in either case
  std::string out;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    bits = (bits << 5 | static_cast<unsigned>(value_of(c))) & 0xfff;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xff);
  }
  return out;
}

}  // namespace

std::string MailTokens::proof(const Secret& key, std::string_view named) const {
  std::string text("signet mail token 1");
  text += '\0';
  text += provider_;
  text += '\0';
  text += named;
  return std::string(view(hmac_sha256(key.octets(), text)).substr(0, kProofSize));
}

std::string MailTokens::make(const Echo& echo) const {
  SIGNET_CHECK(has_key());
  std::string named(echo.message_id.view());
  append_u16(named, static_cast<uint16_t>(echo.attempt_no));
  return to_base32(named + proof(keys_.front(), named));
}

std::optional<Echo> MailTokens::find(std::string_view text) const {
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && value_of(text[end]) >= 0) end++;
    if (end - at == kMailTokenSize)
      if (auto echo = read(text.substr(at, kMailTokenSize))) return echo;
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<Echo> MailTokens::read(std::string_view token) const {
  const std::string octets = from_base32(token);
  const auto named = std::string_view(octets).substr(0, kNamedSize);
  bool is_ours = false;
  for (const auto& key : keys_)
    is_ours = is_equal_constant_time(proof(key, named), std::string_view(octets).substr(kNamedSize)) || is_ours;
  if (!is_ours) return std::nullopt;
  return Echo{Uuid::from_view(named.substr(0, 16)), static_cast<int>(read_big_endian(named.substr(16)))};
}

}  // namespace signet
