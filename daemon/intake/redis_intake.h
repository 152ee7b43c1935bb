// The stream `signet:intake` (docs/intake.md): read by a consumer group of all daemons, an entry deleted once what it
// holds is committed. What is refused leaves its id, hash and reason in `signet:intake:rejected`. What a daemon took
// and did not end, for it died, is its own again when it comes back, and another's after a while. Lives on one loop; a
// connection of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/loop.h"
#include "base/thread_pool.h"
#include "daemon/intake/intake.h"
#include "queue/redis_client.h"

namespace signet {

constexpr char kIntakeStream[] = "signet:intake", kRejectedStream[] = "signet:intake:rejected";
constexpr char kIntakeGroup[] = "signet";

struct RedisIntakeSettings {
  std::string consumer;  // this daemon's instance
  int at_once = 4;       // of the pool's threads
  int64_t poll_ms = 100;
  int64_t again_ms = 1000;  // what could not be decided is tried again
  int64_t takeover_after_ms = 30'000;
};

class RedisIntake {
 public:
  using Take = std::function<IntakeVerdict(const IntakeEntry&)>;  // blocks; several threads at once

  // `take` runs on the pool. That ends before this does, but after stop() or the loop's end.
  RedisIntake(Loop& loop, const Clock& clock, Random& random, Log& log, const RedisOptions& redis,
              RedisIntakeSettings settings, ThreadPool& threads, Take take);
  ~RedisIntake();
  RedisIntake(const RedisIntake&) = delete;
  RedisIntake& operator=(const RedisIntake&) = delete;

  // Reads no more; called back, perhaps at once, when what was taken is ended. What only waits stays in the stream.
  void stop(std::function<void()> stopped);

 private:
  void make_group();
  void read();
  void keep(Reply& entries);
  void hand_out();
  void decided(const IntakeEntry& entry, const IntakeVerdict& verdict);
  void reject(const IntakeEntry& entry, const std::string& reason);
  void remove(const std::string& id);
  void ended(const std::string& id);
  void round_over();
  void tell(const std::string& problem);

  Loop& loop_;
  Log& log_;
  const RedisIntakeSettings settings_;
  ThreadPool& threads_;
  const Take take_;
  std::set<std::string> ids_;         // of all that this holds, in whatever state
  std::deque<IntakeEntry> ready_;     // to be decided
  std::vector<IntakeEntry> waiting_;  // could not be; ready again with the next round
  int running_ = 0;                   // on the pool
  int undecided_ = 0;                 // in a row, of this round: so many say that nothing can be decided now
  bool is_reading_ = false, has_more_ = false;
  bool has_read_own_ = false;      // what it took in an earlier life
  std::string problem_;            // told last; empty: none
  std::function<void()> stopped_;  // once stop() was called
  bool is_stopping_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);  // for what the pool posts
  Timer timer_;
  std::unique_ptr<RedisClient> client_;
};

}  // namespace signet
