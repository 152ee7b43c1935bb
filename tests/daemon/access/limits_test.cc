#include "daemon/access/limits.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/daemon/http/running_loop.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"
#include "tests/fakes/redis_server.h"

namespace signet {
namespace {

constexpr Quotas kQuotas{.read = 5, .write = 2, .approve = 2, .export_evidence = 1, .log_in = 3};
constexpr int64_t kMinuteUs = 60'000'000;

int allowed_of(Limits& limits, RateClass rate, const std::string& who, int tries) {
  int allowed = 0;
  for (int i = 0; i < tries; ++i) allowed += limits.take(rate, who).answer.is_allowed;
  return allowed;
}

TEST_CASE("GCRA lets a whole quota come at once, and then one at a time") {
  int64_t tat_us = 0;
  int64_t now_us = 1'000'000'000;
  for (int i = 0; i < 6; ++i) {
    const RateAnswer answer = gcra(tat_us, now_us, 6, kMinuteUs);
    CHECK(answer.is_allowed);
    CHECK(answer.remaining == 5 - i);
    CHECK(answer.full_us == (i + 1) * 10'000'000);
  }
  const RateAnswer refused = gcra(tat_us, now_us, 6, kMinuteUs);
  CHECK_FALSE(refused.is_allowed);
  CHECK(refused.wait_us == 10'000'000);
  now_us += 9'999'999;
  CHECK_FALSE(gcra(tat_us, now_us, 6, kMinuteUs).is_allowed);
  CHECK(gcra(tat_us, now_us + 1, 6, kMinuteUs).is_allowed);
  CHECK_FALSE(gcra(tat_us, now_us + 1, 6, kMinuteUs).is_allowed);
  // However long nobody came: no more than the quota.
  now_us += 3600 * kMinuteUs;
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += gcra(tat_us, now_us, 6, kMinuteUs).is_allowed;
  CHECK(allowed == 6);
}

TEST_CASE("without Redis a daemon limits by itself: each class, and each caller, apart") {
  ManualClock clock;
  Limits limits(kQuotas, clock, "k", {});
  CHECK(allowed_of(limits, RateClass::read, "a", 20) == 5);
  CHECK(allowed_of(limits, RateClass::read, "b", 20) == 5);
  CHECK(allowed_of(limits, RateClass::write, "a", 20) == 2);
  CHECK(allowed_of(limits, RateClass::none, "a", 20) == 20);
  clock.advance_ms(24'000);
  CHECK(allowed_of(limits, RateClass::read, "a", 20) == 2);
}

TEST_CASE("the addresses of one IPv6 network are one") {
  ManualClock clock;
  Limits limits(kQuotas, clock, "k", {});
  int allowed = 0;
  for (int i = 0; i < 9; ++i)
    allowed += limits.take_address(RateClass::log_in, "2001:db8:1:2::" + std::to_string(i)).answer.is_allowed;
  CHECK(allowed == 3);
  CHECK(limits.take_address(RateClass::log_in, "2001:db8:1:3::1").answer.is_allowed);
  CHECK(limits.take_address(RateClass::log_in, "192.0.2.1").answer.is_allowed);
}

TEST_CASE("a Redis that fails is not asked again for a while, and the limit holds meanwhile") {
  ManualClock clock;
  int asked = 0;
  Limits limits(kQuotas, clock, "k", [&](const std::string&, int64_t, int64_t) -> Result<RateAnswer> {
    asked++;
    return Error{ErrorCode::timeout, "too slow"};
  });
  CHECK(allowed_of(limits, RateClass::read, "a", 20) == 5);
  CHECK(asked == 1);
  clock.advance_ms(12'000);
  CHECK(allowed_of(limits, RateClass::read, "a", 20) == 1);
  CHECK(asked == 2);
}

TEST_CASE("what Redis refuses does not count here") {
  ManualClock clock;
  bool is_full = true;
  Limits limits(kQuotas, clock, "k", [&](const std::string&, int64_t, int64_t) -> Result<RateAnswer> {
    return RateAnswer{!is_full, 0, 1, is_full ? 1 : 0};
  });
  CHECK(allowed_of(limits, RateClass::read, "a", 50) == 0);
  is_full = false;
  CHECK(allowed_of(limits, RateClass::read, "a", 50) == 5);
}

struct RealRedis {
  test::RedisServer server;
  SystemClock clock;
  SeededRandom random{1};
  test::SilentLog log;
  test::RunningLoop loop;
  std::unique_ptr<RedisRate> rate;
  RealRedis() {
    RedisOptions options;
    options.url = server.url();
    loop.on_loop([&] { rate = std::make_unique<RedisRate>(loop.loop(), clock, random, log, options); });
    wait_until_up();
  }
  ~RealRedis() {
    loop.on_loop([&] { rate.reset(); });
  }
  void wait_until_up() {
    for (int i = 0; i < 1000; ++i) {
      if (rate->take("sg:rate:read:probe", 1'000'000, kMinuteUs, 1000)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("redis does not come up");
  }
  Limits::AskRedis ask() {
    return [this](const std::string& key, int64_t quota, int64_t window_us) {
      return rate->take(key, quota, window_us, 5000);
    };
  }
};

TEST_CASE("two daemons share a limit through Redis, which holds no address") {
  RealRedis redis;
  ManualClock clock;
  Limits one(kQuotas, clock, "k", redis.ask()), other(kQuotas, clock, "k", redis.ask());
  int allowed = 0;
  for (int i = 0; i < 10; ++i) {
    allowed += one.take(RateClass::export_evidence, "u").answer.is_allowed;
    allowed += other.take(RateClass::export_evidence, "u").answer.is_allowed;
  }
  CHECK(allowed == 1);
  CHECK(one.take_address(RateClass::log_in, "198.51.100.23").answer.is_allowed);
  const std::string keys = redis.server.command({"KEYS", "*"});
  CHECK(keys.find("sg:rate:export:u") != std::string::npos);
  CHECK(keys.find("sg:rate:log-in:") != std::string::npos);
  CHECK(keys.find("198.51") == std::string::npos);
  // Nothing stays once the quota is whole again.
  CHECK(std::stoll(redis.server.command({"PTTL", "sg:rate:export:u"})) > 0);
}

TEST_CASE("when Redis is killed the limit goes on where it was") {
  RealRedis redis;
  ManualClock clock;
  Limits limits(kQuotas, clock, "k", redis.ask());
  CHECK(allowed_of(limits, RateClass::read, "a", 3) == 3);
  redis.server.kill9();
  CHECK(allowed_of(limits, RateClass::read, "a", 20) == 2);
  CHECK(allowed_of(limits, RateClass::write, "a", 20) == 2);
  redis.server.start();
  redis.wait_until_up();
}

TEST_CASE("a Redis that does not answer costs one wait, and leaves nobody unlimited") {
  RealRedis redis;
  redis.server.freeze();
  CHECK(redis.rate->take("sg:rate:read:a", 5, kMinuteUs, 50).error().code == ErrorCode::timeout);
  ManualClock clock;
  Limits limits(kQuotas, clock, "k", [&](const std::string& key, int64_t quota, int64_t window_us) {
    return redis.rate->take(key, quota, window_us, 50);
  });
  CHECK(allowed_of(limits, RateClass::read, "a", 20) == 5);
  redis.server.thaw();
}

}  // namespace
}  // namespace signet
