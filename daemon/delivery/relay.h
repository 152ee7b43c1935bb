// Offers what is due to Redis, so that a hint which was lost comes back: each shard's due rows are read again and again
// in their order; and what has just become due in each pass, since nobody may have offered it. What is past its time,
// or in a lane that is gone, it shows to a loop, which ends or moves it. One daemon does it for all. Runs on a worker;
// offers go through a loop's queue.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/metrics.h"
#include "queue/queue.h"
#include "store/engine_store.h"

namespace signet {

// A repeat that was not sent while its provider remembered the key: sent now, it could arrive twice. By a void the
// message goes back into doubt, where its provider counts as blind. None: it is something else, or under way.
std::optional<MessageChange> doubt_again(const MessageView& view, IdSource& ids, const std::string& instance);

// How the relay reaches a queue that lives on a loop: posts there, waits for the answer.
class QueueDoor {
 public:
  virtual ~QueueDoor() = default;
  virtual Result<OfferReply> offer(std::vector<Hint> hints) = 0;
  virtual Result<ShardReport> inspect(int shard) = 0;
  virtual Result<void> clear(int shard) = 0;
  // The loop looks whether these due messages have to be ended or moved. Does not wait.
  virtual void look(std::vector<Uuid> ids) = 0;
};

struct RelaySettings {
  std::string instance;
  int64_t round_ms = 20000;                 // design: within 60 s, so that one lost hint comes back
  int64_t ahead_ms = kOfferAheadUs / 1000;  // what is due within this time is offered
  int page = 512;                           // rows read and offered at once
  int rows_max = 65536;    // of normal and bulk in a pass: a refill leaves room for what sends meanwhile
  int stale_slice = 5000;  // due rows looked at in a pass
};

class Relay {  // one thread
 public:
  // `lanes`: of the configuration.
  Relay(EngineStore& store, QueueDoor& door, RelaySettings settings, std::vector<std::string> lanes, const Clock& clock,
        IdSource& ids, Log& log, Metrics& metrics)
      : store_(store),
        door_(door),
        settings_(std::move(settings)),
        lanes_(std::move(lanes)),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics) {}
  // One pass over what wants a look. False: nothing more to do for now.
  bool pass();
  void redis_came_up() { is_all_wanted_ = true; }  // any thread

 private:
  struct Stretch {  // of a lane's due rows: what is still to be offered
    DueSpan span;
    std::optional<DueCursor> after;
  };
  bool leads();
  bool look_for_losses();
  bool begin_round();
  bool want_fresh();
  bool offer_wanted();
  bool see_stamps();
  // Rows of one lane until it is full or its due rows end. False: a server is away.
  bool offer_lane(const DueLane& lane, int& rows_left);
  void look_at_stale();
  bool doubt_again(std::vector<Uuid> ids);

  EngineStore& store_;
  QueueDoor& door_;
  const RelaySettings settings_;
  const std::vector<std::string> lanes_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;

  std::atomic<bool> is_all_wanted_ = true;
  bool is_leading_ = false;
  Tick round_began_{};
  std::optional<Tick> passed_at_;  // when the last pass began
  Stamps recorded_{};
  Stamps stamps_{};                         // the highest seen: a lower one means that the shard was lost
  std::array<int64_t, kShards> waiting_{};  // hints in a shard's lists, as last inspected
  std::map<DueLane, Stretch> wanted_;
  std::map<DueLane, int64_t> full_;  // and what waits for the shard to fall to this many hints
  std::set<int> touched_;            // shards that were offered to in this pass
  Uuid stale_after_;
};

}  // namespace signet
