// Posts status callbacks: a minimal HTTP/1.1 client with a pool of connections per server, retrying with growing
// delay. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/stream.h"

namespace signet::sandbox {

struct CallbackUrl {
  bool is_tls = false;
  Endpoint endpoint;
  std::string authority;  // for Host
  std::string target;     // path and query
};
Result<CallbackUrl> parse_callback_url(std::string_view url);  // http:// or https://, without user or fragment

struct CallbackOptions {
  size_t connections = 64;  // per server
  int tries = 8;            // then given up
  int64_t retry_ms = 250;   // before the second try; doubled each time
  int64_t timeout_ms = 15000;
};

class CallbackClient {
 public:
  CallbackClient(Loop& loop, const Clock& clock, CallbackOptions options);
  ~CallbackClient();  // drops what waits
  CallbackClient(const CallbackClient&) = delete;
  CallbackClient& operator=(const CallbackClient&) = delete;

  using Headers = std::vector<std::pair<std::string, std::string>>;  // besides Host and Content-Length
  // Posts the body after delay_ms. `done(true)` after a 2xx, `done(false)` when given up.
  void post(const CallbackUrl& url, const Headers& headers, std::string_view body, int64_t delay_ms,
            std::function<void(bool)> done);
  void after(int64_t delay_ms, std::function<void()> action);

 private:
  struct Call;
  struct Connection;
  struct Server;
  void submit(std::shared_ptr<Call> call);
  void pump(Server& server);
  void give_back(Server& server, Connection& connection, bool is_taken, bool is_reusable);
  void retry(std::shared_ptr<Call> call);
  void run_due();
  void arm();
  void drop_overdue();

  Loop& loop_;
  const Clock& clock_;
  const CallbackOptions options_;
  std::map<std::string, std::unique_ptr<Server>> servers_;
  std::multimap<int64_t, std::function<void()>> due_;  // by tick in us: one timer for all, not one each
  int64_t armed_for_ = 0;
  Timer timer_;
  Timer watch_;
};

}  // namespace signet::sandbox
