// One daemon of a simulated world: the real delivery loops and the real background work, over simulated servers. What
// a kill takes away is in Run; what stays is the host: its clock, and whether it reaches the servers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "message/route.h"
#include "queue/memory_queue.h"
#include "store/keyring.h"
#include "store/memory_store.h"
#include "tests/fakes/random.h"
#include "tests/simulation/knobs.h"
#include "tests/simulation/sim_provider.h"
#include "tests/simulation/sim_queue.h"
#include "tests/simulation/sim_time.h"
#include "tests/simulation/trace.h"

namespace signet::test {

struct Surroundings {  // of all daemons; outlives them
  SimTime& time;
  Trace& trace;
  const Clock& server_clock;
  SeededRandom& chance;  // of networks
  MemoryStore& store;
  MemoryQueueServer*& redis;  // the one that new connections reach
  Judge& judge;
  std::map<std::string, std::shared_ptr<SimProvider>>& providers;
  const Routes& routes;
  const Keyring& keys;
  const Knobs& knobs;
  const std::string& plant;  // a bug put in on purpose; empty: none
};

class SimDaemon {
 public:
  SimDaemon(const Surroundings& around, int number);
  ~SimDaemon();

  void start();
  void kill();  // as SIGKILL does: nothing is said, nothing is finished
  void term();  // as SIGTERM does; it is gone when all is recorded, or after its deadline
  void pause();
  void resume();
  bool is_running() const { return run_ != nullptr; }
  bool is_stopping() const { return run_ != nullptr && is_stopping_; }
  bool is_at_work() const { return run_ != nullptr && !is_paused_ && !is_stopping_; }
  void step_clock_us(int64_t offset_us) { clock_.set_offset_us(offset_us); }
  void reach_store(bool is_reachable);
  void reach_redis(bool is_reachable);
  void follow_redis();                  // connects to the server that is the first now
  void set_calm() { is_calm_ = true; }  // nothing is lost on the network any more

  void offer(const MemoryStore::Message& message);  // as the API does after an approval
  bool receive(const SimReceipt& receipt);          // a webhook; false: not stored, the provider tries again
  size_t in_flight() const;

 private:
  struct Loop;
  struct Run;
  static constexpr int64_t kLimitUs = 1'000'000;  // of a journal's exchange on a network that swallows all
  SimQueue::Fate queue_fate();
  std::function<bool()> reaches_store();
  Result<HttpReply> look_up(const std::string& url);
  void care();  // the background work, as long as this run lives
  void repeat(int64_t every_us, void (*pass)(Run&));

  const Surroundings around_;
  const std::string instance_;
  SimClock clock_;
  std::string spooled_;  // on its disk
  const size_t disk_room_;
  SeededRandom random_;
  std::unique_ptr<Run> run_;
  bool is_paused_ = false, is_stopping_ = false, is_store_reachable_ = true, is_redis_reachable_ = true,
       is_calm_ = false;
};

}  // namespace signet::test
