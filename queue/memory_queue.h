// The queue in memory, for the simulation and tests: the rules of lua/signet.lua over a Clock, the same trace for the
// same calls. A MemoryQueueServer stands for the Redis server, a MemoryQueue for one daemon's connection to it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "queue/queue.h"

namespace signet {

class MemoryQueue;

class MemoryQueueServer {
 public:
  // What a server holds; copied and put back, it is a failover to an older state.
  struct Active {  // who has work, by how much was taken of them
    std::map<std::string, int64_t> scores;
    void add(const std::string& member);
    std::vector<std::string> least_first() const;
  };
  struct Due {  // ids by time
    std::map<Uuid, int64_t> ms_of;
    std::set<std::pair<int64_t, Uuid>> by_ms;
    void put(const Uuid& id, int64_t ms);
    bool remove(const Uuid& id);
    std::vector<Uuid> take_until(int64_t ms, size_t count_max);
  };
  struct Turn {
    double credit = 0;
    int64_t served_ms = -1;  // -1: not under contention
  };
  struct Own {
    std::string list;
    std::string leased_by;  // empty while queued or scheduled
  };
  struct Shard {
    std::map<std::string, std::deque<Uuid>> lists;
    std::array<Active, 4> lanes;                           // of a priority
    std::array<std::map<std::string, Active>, 4> senders;  // of a priority and lane
    std::array<int64_t, 4> count_of_priority{};
    std::array<std::map<std::string, int64_t>, 4> count_of_lane;
    std::map<Uuid, Own> own;
    Due sched, lease;
    std::array<Turn, 4> turns;
    int64_t stamp = 0;
  };
  using Shards = std::array<Shard, kShards>;

  bool is_up() const { return is_up_; }
  void set_up(bool is_up);  // tells every queue
  void flush();             // FLUSHALL
  Shards snapshot() const { return *shards_; }
  void restore(Shards shards) { *shards_ = std::move(shards); }

 private:
  friend class MemoryQueue;
  std::unique_ptr<Shards> shards_ = std::make_unique<Shards>();
  std::map<std::string, double> buckets_;  // of providers: when each is full again, in us
  std::vector<MemoryQueue*> queues_;
  bool is_up_ = true;
};

class MemoryQueue : public Queue {
 public:
  using Post = std::function<void(std::function<void()>)>;  // e.g. of Loop::post; in order, never inside the call
  // The server outlives its queues. Each call takes effect at once and is answered by `post`; while the server is down
  // it has no effect and is answered `unavailable`.
  MemoryQueue(MemoryQueueServer& server, const Clock& clock, Post post, QueueOptions options);
  ~MemoryQueue() override;

  void offer(std::vector<Hint> hints, std::function<void(Result<OfferReply>)> done) override;
  void claim(const ClaimRequest& request, std::function<void(Result<std::vector<Claimed>>)> done) override;
  void ack(const std::vector<Uuid>& ids, std::function<void(Result<int64_t>)> done) override;
  void nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids, std::function<void(Result<int64_t>)> done) override;
  void renew(const std::vector<Uuid>& ids, int64_t lease_ms, std::function<void(Result<int64_t>)> done) override;
  void sweep(int shard, std::function<void(Result<int64_t>)> done) override;
  void inspect(int shard, std::function<void(Result<ShardReport>)> done) override;
  void clear(int shard, std::function<void(Result<void>)> done) override;
  void lease_tokens(const std::string& provider, double rate_per_s, double burst, int want,
                    std::function<void(Result<TokenLease>)> done) override;
  bool is_up() const override { return server_.is_up(); }
  void on_change(std::function<void(bool is_up)> changed) override { changed_ = std::move(changed); }
  void on_bell(std::function<void(int shard)> rung) override { rung_ = std::move(rung); }

 private:
  friend class MemoryQueueServer;
  using Shard = MemoryQueueServer::Shard;
  void post(std::function<void()> action);
  template <class T>
  void answer(std::function<void(Result<T>)> done, Result<T> result);
  template <class T>
  bool is_refused(const std::function<void(Result<T>)>& done);
  Shard& shard(int number) { return (*server_.shards_)[static_cast<size_t>(number)]; }
  MemoryQueueServer::Own* held(const Uuid& id);  // if this owner leases it
  int64_t now_ms() const { return clock_.wall().us / 1000; }
  bool offer_one(const Hint& hint);

  MemoryQueueServer& server_;
  const Clock& clock_;
  const Post post_;
  const QueueOptions options_;
  std::function<void(bool)> changed_;
  std::function<void(int)> rung_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace signet
