#include "providers/connect_reason.h"

#include <string_view>

namespace signet {

const char* connect_reason(const Error& error) {
  auto has = [&](std::string_view word) { return error.text.find(word) != std::string::npos; };
  if (has("TLS")) return error.code == ErrorCode::timeout ? "connect_timed_out" : "tls_failed";
  if (has("closed by peer") || has("broke")) return "connection_lost";
  if (has("resolve")) return "dns_failed";
  if (has("refused")) return "connect_refused";
  return error.code == ErrorCode::timeout ? "connect_timed_out" : "connect_failed";
}

}  // namespace signet
