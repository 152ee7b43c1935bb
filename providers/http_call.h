// One HTTP request of the daemon's own: to a witness, a time-stamping authority, an alert's receiver, its own API. A
// message to a recipient goes by providers/transport.h, which never repeats and keeps deadlines. Blocks; any thread
// that may wait.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "providers/provider.h"

namespace signet {

struct HttpCall : HttpRequest {
  int64_t timeout_ms = 10000;  // of all of it
  std::string ca_file;         // PEM: who signed the server's certificate; empty: the system's authorities
};

constexpr size_t kHttpReplyMax = 1 << 20;  // octets of a reply's body

// Any status is a reply; redirections are not followed. Certificates are always verified. unavailable: it did not get
// through; timeout: whether the server acted is not known; limit: the reply is too long; invalid: the URL. The text
// names neither URL nor headers, which may hold a secret.
Result<HttpReply> http_call(const HttpCall& call);
using HttpCaller = std::function<Result<HttpReply>(const HttpCall&)>;  // that, or a test's

}  // namespace signet
