// Whose X-Forwarded-For counts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace signet::http {

class TrustedProxies {
 public:
  // Addresses or CIDR blocks, IPv4 and IPv6.
  static Result<TrustedProxies> parse(const std::vector<std::string>& blocks);
  // The client: walks X-Forwarded-For from its end as long as each hop is trusted. Without trust, `peer`.
  std::string client(std::string_view peer, std::string_view forwarded_for) const;

 private:
  struct Block {
    std::array<uint8_t, 16> address{};  // IPv4 as ::ffff:a.b.c.d
    int bits = 128;
  };
  bool is_trusted(const std::array<uint8_t, 16>& address) const;
  std::vector<Block> blocks_;
};

}  // namespace signet::http
