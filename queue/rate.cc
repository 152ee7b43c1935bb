#include "queue/rate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace signet {

extern const char* const kLuaVersion;  // made from lua/signet.lua
extern const char* const kLuaLibrary;

RateAnswer gcra(int64_t& tat_us, int64_t now_us, int64_t quota, int64_t window_us) {
  const int64_t interval_us = std::max<int64_t>(1, window_us / quota);
  const int64_t burst_us = interval_us * quota;
  const int64_t next = std::max(tat_us, now_us) + interval_us;
  RateAnswer out;
  out.is_allowed = next - burst_us <= now_us;
  if (out.is_allowed)
    tat_us = next;
  else
    out.wait_us = next - burst_us - now_us;
  out.full_us = std::max<int64_t>(0, tat_us - now_us);
  out.remaining = (burst_us - out.full_us) / interval_us;
  return out;
}

TokenLease lease_from(double& tat_us, int64_t now_us, double rate_per_s, double burst, int want) {
  const double interval_us = 1e6 / rate_per_s;
  const auto now = static_cast<double>(now_us);
  // From now on, since a double holds times of today to no more than a quarter of a microsecond: a bucket of one token
  // would never be seen to be full.
  const double full_us = burst * interval_us;
  const double used_us = std::clamp(tat_us - now, 0.0, full_us);
  TokenLease out;
  out.count = static_cast<int>(std::min<double>(want, std::floor((full_us - used_us) / interval_us + 1e-6)));
  const double then_us = std::ceil(used_us + out.count * interval_us);
  tat_us = now + then_us;
  out.wait_us = static_cast<int64_t>(std::max(0.0, std::ceil(then_us + interval_us - full_us)));
  return out;
}

double tat_of_one_token(int64_t now_us, double rate_per_s, double burst) {
  return static_cast<double>(now_us) + (burst - 1) * 1e6 / rate_per_s;
}

struct RedisRate::Shared {
  std::unique_ptr<RedisClient> client;  // loop thread only
  std::atomic<bool> is_ready = false;   // connected, with the functions loaded
};

namespace {

struct Asked {  // between the thread that waits and the loop; whoever is last lets it go
  std::mutex lock;
  std::condition_variable came;
  std::optional<Result<Reply>> reply;
};

Result<RateAnswer> to_answer(const Result<Reply>& reply) {
  if (!reply) return reply.error();
  const auto& parts = reply->elements;
  if (reply->type != Reply::Type::array || parts.size() != 4)
    return Error{ErrorCode::corrupt, "the limit's function gave no answer"};
  return RateAnswer{parts[0].integer == 1, parts[1].integer, parts[2].integer, parts[3].integer};
}

}  // namespace

RedisRate::RedisRate(Loop& loop, const Clock& clock, Random& random, Log& log, const RedisOptions& redis)
    : loop_(loop), log_(log), shared_(std::make_shared<Shared>()) {
  RedisClient::Handlers handlers;
  handlers.on_up = [this] { load(); };
  handlers.on_down = [shared = shared_.get()](const Error&) { shared->is_ready = false; };  // the queue says so
  shared_->client = std::make_unique<RedisClient>(loop, clock, random, redis, std::move(handlers));
}

RedisRate::~RedisRate() {
  shared_->is_ready = false;
  shared_->client.reset();
}

// The queue's connections see to the same library; whoever is first loads it.
void RedisRate::load() {
  shared_->client->call({"FCALL", "sg_version", "0"}, [this](const Result<Reply>& version) {
    if (version && version->text == kLuaVersion) {
      shared_->is_ready = true;
      return;
    }
    shared_->client->call({"FUNCTION", "LOAD", "REPLACE", kLuaLibrary}, [this](const Result<Reply>& loaded) {
      shared_->is_ready = loaded.ok();
      if (!loaded)
        log_.warn("cannot load the functions into redis; limits are counted by each daemon by itself",
                  {{"reason", loaded.error().text}});
    });
  });
}

Result<RateAnswer> RedisRate::take(const std::string& key, int64_t quota, int64_t window_us, int64_t wait_ms) {
  if (!shared_->is_ready) return Error{ErrorCode::unavailable, "redis is not there"};
  const auto asked = std::make_shared<Asked>();
  loop_.post([shared = shared_, asked, key, quota = std::to_string(quota), window = std::to_string(window_us)] {
    if (!shared->client) return;  // gone meanwhile: who waits runs into the time-out
    shared->client->call({"FCALL", "sg_gcra", "1", key, quota, window}, [asked](Result<Reply> reply) {
      std::lock_guard guard(asked->lock);
      asked->reply = std::move(reply);
      asked->came.notify_one();
    });
  });
  std::unique_lock guard(asked->lock);
  if (!asked->came.wait_for(guard, std::chrono::milliseconds(wait_ms), [&] { return asked->reply.has_value(); }))
    return Error{ErrorCode::timeout, "redis does not answer"};
  return to_answer(*asked->reply);
}

}  // namespace signet
