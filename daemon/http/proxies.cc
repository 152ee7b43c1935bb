#include "daemon/http/proxies.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace signet::http {

namespace {

using Address = std::array<uint8_t, 16>;

struct Parsed {
  Address address{};
  bool is_v4 = false;
};

std::optional<Parsed> parse_address(std::string_view text) {
  const std::string copy(text);
  Parsed out;
  in_addr v4;
  if (inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
    out.address[10] = out.address[11] = 0xff;
    std::memcpy(out.address.data() + 12, &v4, 4);
    out.is_v4 = true;
    return out;
  }
  if (inet_pton(AF_INET6, copy.c_str(), out.address.data()) == 1) return out;
  return std::nullopt;
}

std::string text_of(const Address& address) {
  static constexpr Address kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  char buffer[INET6_ADDRSTRLEN];
  const bool is_v4 = std::equal(address.begin(), address.begin() + 12, kMapped.begin());
  const char* out = is_v4 ? inet_ntop(AF_INET, address.data() + 12, buffer, sizeof buffer)
                          : inet_ntop(AF_INET6, address.data(), buffer, sizeof buffer);
  return out == nullptr ? "" : out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& blocks) {
  TrustedProxies out;
  for (const std::string& block : blocks) {
    const size_t slash = std::min(block.find('/'), block.size());
    const auto address = parse_address(std::string_view(block).substr(0, slash));
    const Error bad{ErrorCode::invalid,
                    "trusted proxy \"" + block + "\" is no address: write it as 10.0.0.1, 10.0.0.0/8 or fd00::/8"};
    if (!address) return bad;
    Block parsed{address->address, 128};
    if (slash != block.size()) {
      const int most = address->is_v4 ? 32 : 128;
      int bits = -1;
      const char* end = block.data() + block.size();
      const auto [rest, fault] = std::from_chars(block.data() + slash + 1, end, bits);
      if (fault != std::errc{} || rest != end || bits < 0 || bits > most) return bad;
      parsed.bits = bits + (128 - most);
    }
    out.blocks_.push_back(parsed);
  }
  return out;
}

bool TrustedProxies::is_trusted(const Address& address) const {
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const Block& block) {
    const size_t whole = static_cast<size_t>(block.bits) / 8;
    if (!std::equal(address.begin(), address.begin() + static_cast<long>(whole), block.address.begin())) return false;
    const int rest = block.bits % 8;
    return rest == 0 || (address[whole] ^ block.address[whole]) >> (8 - rest) == 0;
  });
}

std::string TrustedProxies::client(std::string_view peer, std::string_view forwarded_for) const {
  auto hop = parse_address(peer);
  if (!hop) return std::string(peer);
  while (!forwarded_for.empty() && is_trusted(hop->address)) {
    const size_t comma = forwarded_for.rfind(',');
    const auto next =
        parse_address(trim(comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1)));
    if (!next) break;  // what a trusted proxy did not write as an address is not believed
    hop = next;
    forwarded_for = comma == std::string_view::npos ? std::string_view{} : forwarded_for.substr(0, comma);
  }
  return text_of(hop->address);
}

}  // namespace signet::http
