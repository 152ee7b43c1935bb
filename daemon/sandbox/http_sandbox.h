// What happens to a message that came over HTTP, whichever provider is played: by the recipient's ending (endings.h)
// it is taken, refused, throttled, hung or reset, journaled before it is answered, and called back. Loop thread only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "daemon/http/server.h"
#include "daemon/sandbox/callback_client.h"
#include "daemon/sandbox/dialect.h"
#include "daemon/sandbox/endings.h"
#include "daemon/sandbox/journal.h"

namespace signet::sandbox {

struct HttpOptions {
  int64_t callback_ms = 5;  // before the first status, and between one answered and the next
  int64_t late_ms = 3000;
};

class HttpSandbox {
 public:
  HttpSandbox(const Clock& clock, Random& random, Log& log, Journal& journal, CallbackClient& callbacks,
              HttpOptions options);
  void add(std::unique_ptr<Dialect> dialect) { dialects_.push_back(std::move(dialect)); }
  // None: no provider that is played here has such a path.
  std::optional<http::Response> handle(const http::Request& request);

 private:
  struct Chain;
  http::Response take(const Dialect& dialect, Submission submission);
  std::optional<Refusal> refusal_of(const Dialect& dialect, Behaviour behaviour, const std::string& recipient);
  void call_back(const Dialect& dialect, Submission submission, std::shared_ptr<Arrival> arrival, Behaviour behaviour);
  void next_status(std::shared_ptr<Chain> chain, int64_t delay_ms);
  void write_back(const Chain& chain);

  const Clock& clock_;
  Random& random_;
  Log& log_;
  Journal& journal_;
  CallbackClient& callbacks_;
  const HttpOptions options_;
  std::vector<std::unique_ptr<Dialect>> dialects_;
  std::set<const Dialect*> introduced_;
  using At = std::pair<const Dialect*, std::string>;
  std::map<At, int> seen_;             // how often a recipient with "first time" was refused
  std::map<At, std::string> by_key_;   // reference of what was taken with an idempotency key
  std::map<At, std::string> by_echo_;  // and with an echo
};

}  // namespace signet::sandbox
