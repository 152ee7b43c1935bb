// How often anybody may ask, by class of request: counted in Redis for all daemons together; by this daemon alone while
// Redis is away or slow. Never open.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "daemon/http/response.h"
#include "queue/rate.h"

namespace signet {

// Whose limit a request counts against (http.limits).
enum class RateClass { none, read, write, approve, export_evidence, log_in };
std::string_view name(RateClass rate);  // "read", "export", "log-in": stands in headers

struct Quotas {  // a minute; of each caller, log_in of each address and of each account
  int read = 600, write = 120, approve = 60, export_evidence = 20, log_in = 10;
  int of(RateClass rate) const;
};

struct RateVerdict {
  RateClass rate = RateClass::none;
  int quota = 0;
  RateAnswer answer;
  // RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), and Retry-After (RFC 9110 section 10.2.3)
  // where it was refused.
  void tell(http::Response& response) const;
  int64_t retry_after_s() const;
};

class Limits {  // any thread
 public:
  // Asks `redis` for (key, quota, window_us); null: this daemon counts alone. `index_key` hides addresses.
  using AskRedis = std::function<Result<RateAnswer>(const std::string& key, int64_t quota, int64_t window_us)>;
  Limits(const Quotas& quotas, const Clock& clock, std::string_view index_key, AskRedis redis);

  // `who`: a user's id or an account_key(); it stands in Redis.
  RateVerdict take(RateClass rate, const std::string& who);
  RateVerdict take_address(RateClass rate, std::string_view address);

 private:
  RateAnswer take_here(const std::string& key, int64_t quota);
  void give_back(const std::string& key, int64_t quota);
  const Quotas quotas_;
  const Clock& clock_;
  const std::string index_key_;
  const AskRedis redis_;
  std::mutex lock_;
  std::map<std::string, int64_t> arrivals_;  // GCRA's state of each
  Tick redis_again_, swept_at_;
};

}  // namespace signet
