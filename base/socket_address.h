// Addresses as the socket calls take them, of IPv4 and IPv6, and their texts. Private to base. Any thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>
#include <string>

#include "base/stream.h"

namespace signet {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_storage storage;
};

std::string name_of(const Endpoint& at);                           // "127.0.0.1:25", "[::1]:25", "name:25"
std::optional<SocketAddress> numeric_address(const Endpoint& at);  // none: a name, which is to be resolved
std::string text_of(const SocketAddress& address);                 // without port; empty for other families

}  // namespace signet
