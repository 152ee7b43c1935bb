// One delivery loop with its thread: everything on it is made, used and destroyed there; shared with no other loop.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/delivery/delivery.h"
#include "daemon/delivery/relay.h"
#include "queue/redis_queue.h"

namespace signet {

struct LoopProvider {
  std::shared_ptr<const Provider> provider;
  ProviderSettings settings;
  ProviderLimits limits;  // this loop's share of the slots; the rate is the daemons' together
};

struct DeliveryLoopOptions {
  int number = 0, loops = 1;
  RedisOptions redis;
  QueueOptions queue;
  JournalOptions journal;
  DeliverySettings delivery;
  std::map<std::string, LoopProvider> providers;
};

struct Shared {  // any thread; outlives the loops
  const Clock& clock;
  Random& random;
  IdSource& ids;
  Log& log;
  Metrics& metrics;
  const Keyring& keys;
  const Routes& routes;
  const DuePlan& plan;
  Pace& pace;
  Spool& spool;
  // What a provider told over a link of ours, to be kept; empty: none is. `done` on any thread, while the loop is
  // there.
  std::function<void(const std::string& provider, CallbackRequest, std::function<void(UnaskedEnd)> done)> unasked = {};
};

// Made, started and stopped by one thread; what is marked may be called from any.
class DeliveryLoop : public QueueDoor {
 public:
  DeliveryLoop(Shared shared, DeliveryLoopOptions options);
  ~DeliveryLoop() override;
  void on_redis_up(std::function<void()> action) { redis_up_ = std::move(action); }  // before start()
  void start();
  void stop(int64_t deadline_ms, std::function<void()> done);  // `done` on the loop's thread
  void hurry();
  void offer_soon(std::vector<Hint> hints);    // any thread; lost if Redis is away: the relay finds them
  void settle_overdue(std::vector<Uuid> ids);  // any thread
  // Any thread. `then` gets those that this loop does not have under way, on this loop's thread.
  void without_held(std::vector<Uuid> ids, std::function<void(std::vector<Uuid>)> then);
  int64_t beats() const { return beats_; }   // any thread; grows while the loop turns
  bool is_busy() const { return is_busy_; }  // any thread: messages are on their way, or were half a second ago
  // For the relay's thread: waits for the answer.
  Result<OfferReply> offer(std::vector<Hint> hints) override;
  Result<ShardReport> inspect(int shard) override;
  Result<void> clear(int shard) override;
  void look(std::vector<Uuid> ids) override;
  void set_pauses(const Pauses& pauses);       // any thread
  std::vector<ProviderHealth> health() const;  // any thread; half a second old at most

 private:
  void run();
  OnUnasked unasked_of(const std::string& provider);
  template <class T>
  Result<T> ask(std::function<void(Queue&, std::function<void(Result<T>)>)> question);

  const Shared shared_;
  const DeliveryLoopOptions options_;
  std::function<void()> redis_up_;
  std::atomic<int64_t> beats_ = 0;
  std::atomic<bool> is_busy_ = true;  // until it is known
  mutable std::mutex lock_;
  std::vector<ProviderHealth> health_;
  Loop loop_;
  // On the loop's thread:
  std::unique_ptr<RedisQueue> queue_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Delivery> delivery_;
  std::thread thread_;
};

}  // namespace signet
