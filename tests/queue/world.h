// Where the conformance suite runs: the queue in memory over a clock moved by hand, and the one in Redis over a real
// server and real time.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "queue/memory_queue.h"
#include "queue/redis_queue.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/redis_server.h"

namespace signet::test {

struct LogLines : Log {
  std::vector<std::string> lines;
  void write(LogLevel, std::string_view text, std::initializer_list<LogField>) override { lines.emplace_back(text); }
  bool has(std::string_view part) const;
};

// Runs the loop until `is_done`; fails the test after 10 s.
void run_until(Loop& loop, const std::function<bool()>& is_done);
void run_for(Loop& loop, int64_t ms);

template <class T>
Result<T> ask(Loop& loop, const std::function<void(std::function<void(Result<T>)>)>& start) {
  auto got = std::make_shared<std::optional<Result<T>>>();
  auto inside = std::make_shared<bool>(true);
  start([got, inside, &loop](Result<T> result) {
    if (*inside) FAIL("called back inside the call");
    *got = std::move(result);
    loop.stop();
  });
  *inside = false;
  run_until(loop, [&] { return got->has_value(); });
  return **got;
}

// An id of a shard; ids ascend with n.
Uuid id_in(int shard, int n);

class World {
 public:
  virtual ~World() = default;
  virtual Queue& queue(const std::string& owner = "one") = 0;  // made when first named
  virtual void pass(int64_t ms) = 0;
  virtual WallTime now() const = 0;
  virtual void lose_everything() = 0;
  WallTime in(int64_t ms) const { return {now().us + ms * 1000}; }

  Hint hint(const Uuid& id, Priority priority = Priority::normal, const std::string& lane = "sms",
            const std::string& sender = "ward") const {
    return {id, priority, lane, sender, now()};
  }
  std::vector<Hint> hints(int from, int count, Priority priority, const std::string& lane = "sms",
                          const std::string& sender = "ward") const;

  // Asks and waits; fails the test on an error.
  OfferReply offer_all(std::vector<Hint> hints, const std::string& owner = "one");
  int64_t offer(std::vector<Hint> hints, const std::string& owner = "one");  // how many were taken
  TokenLease lease(double rate_per_s, double burst, int want, const std::string& owner = "one");
  std::vector<Claimed> claim(ClaimRequest request = {}, const std::string& owner = "one");
  int64_t ack(const std::vector<Uuid>& ids, const std::string& owner = "one");
  int64_t nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids, const std::string& owner = "one");
  int64_t renew(const std::vector<Uuid>& ids, int64_t lease_ms, const std::string& owner = "one");
  int64_t sweep(int shard);
  ShardReport inspect(int shard);
  void clear(int shard);

  Loop loop;
  QueueOptions options;  // for queues made from now on
};

class MemoryWorld : public World {
 public:
  Queue& queue(const std::string& owner) override;
  void pass(int64_t ms) override { clock.advance_ms(ms); }
  WallTime now() const override { return clock.wall(); }
  void lose_everything() override { server.flush(); }
  ManualClock clock;
  MemoryQueueServer server;

 private:
  std::map<std::string, std::unique_ptr<MemoryQueue>> queues_;
};

class RedisWorld : public World {
 public:
  Queue& queue(const std::string& owner) override;
  void pass(int64_t ms) override { run_for(loop, ms); }
  WallTime now() const override { return clock.wall(); }
  void lose_everything() override { server.command({"FLUSHALL"}); }
  SystemClock clock;
  SystemRandom random;
  LogLines log;
  RedisServer server;

 private:
  std::map<std::string, std::unique_ptr<RedisQueue>> queues_;
};

std::vector<Uuid> ids_of(const std::vector<Claimed>& claimed);
std::map<std::string, int> by_lane(const std::vector<Claimed>& claimed);
std::map<std::string, int> by_sender(const std::vector<Claimed>& claimed);
std::map<Priority, int> by_priority(const std::vector<Claimed>& claimed);

}  // namespace signet::test
