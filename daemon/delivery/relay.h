// Offers what is due to Redis, so that a hint which was lost, or never offered, comes back: each shard's due rows are
// read again and again in their order. Runs on a worker; offers go through a loop's queue.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "queue/queue.h"
#include "store/relay_scan.h"

namespace signet {

// How the relay reaches a queue that lives on a loop: posts there, waits for the answer.
class QueueDoor {
 public:
  virtual ~QueueDoor() = default;
  virtual Result<OfferReply> offer(std::vector<Hint> hints) = 0;
  virtual Result<ShardReport> inspect(int shard) = 0;
  virtual Result<void> clear(int shard) = 0;
};

class Relay {  // one thread
 public:
  Relay(PgOptions postgres, QueueDoor& door, const Clock& clock, Log& log)
      : postgres_(std::move(postgres)), door_(door), clock_(clock), log_(log) {}
  // One pass over what wants a look. False: nothing more to do for now.
  bool pass();
  void redis_came_up() { is_all_wanted_ = true; }  // any thread

 private:
  bool has_session();
  // Rows of one shard until its lists are full or its due rows end. False: a server is away.
  bool refill(int shard);
  bool look_for_losses();

  const PgOptions postgres_;
  QueueDoor& door_;
  const Clock& clock_;
  Log& log_;
  std::unique_ptr<PgSession> session_;
  std::atomic<bool> is_all_wanted_ = true;
  Tick scanned_at_{};
  std::array<int64_t, kShards> stamps_{};  // the highest seen: a lower one means that the shard was lost
};

}  // namespace signet
