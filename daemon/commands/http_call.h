// One HTTP request to the daemon's own API, for `signetd send`. Runs a loop of its own until it is answered.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/stream.h"

namespace signet {

struct HttpCall {
  Endpoint to;
  std::shared_ptr<TlsContext> tls;  // null: clear
  std::string method = "POST", path, body;
  Secret token;
  int64_t timeout_ms = 30000;
};
struct HttpAnswer {
  int status = 0;
  std::string body;
};
Result<HttpAnswer> call(const HttpCall& request);

}  // namespace signet
