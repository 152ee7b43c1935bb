#include "base/socket_address.h"

#include <arpa/inet.h>
#include <uv.h>

namespace signet {

std::string name_of(const Endpoint& at) {
  const bool is_v6 = at.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + at.host + "]" : at.host) + ":" + std::to_string(at.port);
}

std::optional<SocketAddress> numeric_address(const Endpoint& at) {
  SocketAddress address{};
  if (uv_ip4_addr(at.host.c_str(), at.port, &address.v4) == 0) return address;
  if (uv_ip6_addr(at.host.c_str(), at.port, &address.v6) == 0) return address;
  return std::nullopt;
}

std::string text_of(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.any.sa_family == AF_INET) {
    uv_ip4_name(&address.v4, text, sizeof text);
  } else if (address.any.sa_family == AF_INET6) {
    // A listener on "::" sees IPv4 peers as mapped addresses; people know them by the plain form.
    if (IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr))
      inet_ntop(AF_INET, address.v6.sin6_addr.s6_addr + 12, text, sizeof text);
    else
      uv_ip6_name(&address.v6, text, sizeof text);
  }
  return text;
}

}  // namespace signet
