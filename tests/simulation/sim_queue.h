// One loop's connection to a simulated Redis: calls travel, may be lost on the way or on the way back, and fail when
// the connection breaks. The servers behind it are MemoryQueueServers; a failover moves connections to another one.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue/memory_queue.h"
#include "tests/simulation/sim_time.h"

namespace signet::test {

class SimQueue : public Queue {
 public:
  struct Fate {  // of one call; a connection that lost something breaks
    int64_t there_us = 0, back_us = 0;
    enum class End { answered, request_lost, reply_lost } end = End::answered;
  };
  // `fate` of the next call. All outlive this but what is under way, which goes its way without it.
  SimQueue(SimTime& time, Loop& loop, MemoryQueueServer& server, const Clock& server_clock, QueueOptions options,
           std::function<Fate()> fate);
  ~SimQueue() override;

  void move_to(MemoryQueueServer& server);  // what is under way at the one before is lost
  void set_link(bool is_up);                // what is under way fails
  // For who waits for the answer: acts and answers at once. None: the server is not reached.
  MemoryQueue* at_once() { return is_up_ && server_->is_up() ? queue_on(*server_).get() : nullptr; }

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
  bool is_up() const override { return is_up_; }
  void on_change(std::function<void(bool is_up)> changed) override { changed_ = std::move(changed); }
  void on_bell(std::function<void(int shard)> rung) override { rung_ = std::move(rung); }

 private:
  struct Call {
    std::function<void()> fail;
    bool is_over = false;
  };
  template <class T>
  void call(std::function<void(MemoryQueue&, std::function<void(Result<T>)>)> act, std::function<void(Result<T>)> done);
  std::shared_ptr<MemoryQueue> queue_on(MemoryQueueServer& server);

  SimTime& time_;
  Loop& loop_;
  const Clock& server_clock_;
  const QueueOptions options_;
  const std::function<Fate()> fate_;
  MemoryQueueServer* server_;
  std::map<MemoryQueueServer*, std::shared_ptr<MemoryQueue>> queues_;
  std::function<void(bool)> changed_;
  std::function<void(int)> rung_;
  std::list<std::shared_ptr<Call>> under_way_;
  int64_t there_at_us_ = 0, back_at_us_ = 0;  // one connection keeps its order
  bool is_up_ = true;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace signet::test
