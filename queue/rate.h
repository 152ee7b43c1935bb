// How much is left of a limit that several daemons share: GCRA (ITU-T I.371) in Redis, one call a request. The same
// arithmetic for those who have no Redis.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/result.h"
#include "queue/queue.h"
#include "queue/redis_client.h"

namespace signet {

struct RateAnswer {
  bool is_allowed = false;
  int64_t remaining = 0;  // more at this moment
  int64_t full_us = 0;    // until the whole quota is there again
  int64_t wait_us = 0;    // until the next would be allowed; 0 if it was
};

// One request more at `now_us` of a limit of `quota` in `window_us`, all of which may come at once. `tat_us` is what is
// kept of the past: the theoretical arrival time; 0 for nothing.
RateAnswer gcra(int64_t& tat_us, int64_t now_us, int64_t quota, int64_t window_us);

// Up to `want` tokens at `now_us` out of a bucket that gains rate_per_s and holds `burst` at most; what
// Queue::lease_tokens does. `tat_us` is when the bucket would be full again.
TokenLease lease_from(double& tat_us, int64_t now_us, double rate_per_s, double burst, int want);
// Of a bucket with one token in it.
double tat_of_one_token(int64_t now_us, double rate_per_s, double burst);

class RedisRate {
 public:
  // A connection of its own on `loop`; both are made and destroyed on its thread, once nobody asks any more.
  RedisRate(Loop& loop, const Clock& clock, Random& random, Log& log, const RedisOptions& redis);
  ~RedisRate();
  RedisRate(const RedisRate&) = delete;
  RedisRate& operator=(const RedisRate&) = delete;

  // Any thread but the loop's: waits up to wait_ms. `key` holds ids and hashes only. Time is Redis's. `timeout`: no
  // answer yet; `unavailable`: no Redis. The caller decides by itself then.
  Result<RateAnswer> take(const std::string& key, int64_t quota, int64_t window_us, int64_t wait_ms);

 private:
  struct Shared;
  void load();
  Loop& loop_;
  Log& log_;
  std::shared_ptr<Shared> shared_;  // also of what is posted
};

}  // namespace signet
