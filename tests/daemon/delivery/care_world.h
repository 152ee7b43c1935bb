// What relay and reconciler are tried over: the engine store's worlds (tests/store/engine_world.h), a queue in memory,
// a clock that is moved by hand for what they wait on themselves.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "daemon/delivery/relay.h"
#include "queue/memory_queue.h"
#include "tests/fakes/clock.h"
#include "tests/store/engine_world.h"

namespace signet::test {

struct QuietLog : Log {
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

// A queue without a loop: answers come within the call that waits for them.
class TestDoor : public QueueDoor {
 public:
  TestDoor(MemoryQueueServer& server, const Clock& clock)
      : queue_(server, clock, [this](std::function<void()> action) { posted_.push_back(std::move(action)); },
               {.owner = "test"}) {}
  Result<OfferReply> offer(std::vector<Hint> hints) override {
    for (const auto& hint : hints) offered.push_back(hint);
    return ask<OfferReply>([&](auto done) { queue_.offer(std::move(hints), std::move(done)); });
  }
  Result<ShardReport> inspect(int shard) override {
    return ask<ShardReport>([&](auto done) { queue_.inspect(shard, std::move(done)); });
  }
  Result<void> clear(int shard) override {
    cleared.push_back(shard);
    return ask<void>([&](auto done) { queue_.clear(shard, std::move(done)); });
  }
  void look(std::vector<Uuid> ids) override { looked_at.insert(looked_at.end(), ids.begin(), ids.end()); }

  std::vector<Claimed> claim(int shard, int count_max = 256) {
    ClaimRequest request;
    request.shard = shard;
    request.count_max = count_max;
    auto claimed = ask<std::vector<Claimed>>([&](auto done) { queue_.claim(request, std::move(done)); });
    return claimed ? std::move(*claimed) : std::vector<Claimed>{};
  }
  void ack(const std::vector<Uuid>& ids) {
    (void)ask<int64_t>([&](auto done) { queue_.ack(ids, std::move(done)); }).ok();
  }
  int64_t waiting() {
    int64_t out = 0;
    for (int shard = 0; shard < kShards; shard++)
      if (auto report = inspect(shard)) out += report->waiting;
    return out;
  }

  std::vector<Hint> offered;
  std::vector<int> cleared;
  std::vector<Uuid> looked_at;

 private:
  template <class T, class Start>
  Result<T> ask(Start start) {
    std::optional<Result<T>> got;
    start([&got](Result<T> result) { got = std::move(result); });
    while (!got && !posted_.empty()) {
      auto action = std::move(posted_.front());
      posted_.pop_front();
      action();
    }
    if (!got) return Error{ErrorCode::unavailable, "the queue did not answer"};
    return std::move(*got);
  }

  std::deque<std::function<void()>> posted_;
  MemoryQueue queue_;
};

template <class World>
struct CareWorld {
  World made;
  EngineWorld& world = made;
  MemoryQueueServer server;
  TestDoor door{server, world.clock};
  ManualClock clock;  // of rounds
  QuietLog log;
  Metrics metrics;

  std::unique_ptr<Relay> relay(const std::string& daemon, RelaySettings settings = {}) {
    settings.instance = daemon;
    return std::make_unique<Relay>(world.store(daemon), door, settings, std::vector<std::string>{"sms", "email"}, clock,
                                   world.ids, log, metrics);
  }
};

}  // namespace signet::test
