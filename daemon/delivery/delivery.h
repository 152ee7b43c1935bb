// One loop's share of the deliveries, from a claimed hint to its acknowledgement. The order is the safety:
//   claim -> admit -> permit (COMMIT) -> unseal and check -> send -> result (COMMIT) -> ack
// pump() in delivery.cc has it on one screen.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "daemon/delivery/admit.h"
#include "daemon/delivery/batches.h"
#include "daemon/delivery/dispatcher.h"
#include "daemon/delivery/due_plan.h"
#include "daemon/delivery/events.h"
#include "daemon/delivery/flight.h"
#include "daemon/delivery/opener.h"
#include "daemon/delivery/refusal.h"
#include "daemon/delivery/room.h"
#include "daemon/delivery/spool.h"
#include "daemon/metrics.h"
#include "message/retry.h"
#include "providers/provider.h"
#include "providers/transport.h"
#include "queue/queue.h"
#include "store/journal.h"
#include "store/keyring.h"

namespace signet {

struct DeliverySettings {
  int window = 2048;  // messages between claim and ack
  int batch = 256;    // of a claim
  int rows = 512;     // of each kind that are written at once: permits, results
  int hold = 128;     // rows that a batch waits for, a few milliseconds at most, while sends are under way
  int64_t permit_start_ms = 5000;
  int64_t request_timeout_ms = 30000;
  int64_t lease_ms = 4000;   // renewed while it lasts; what a dead daemon held is claimed anew after it
  int64_t poll_ms = 250;     // when no bell rings
  int64_t silent_ms = 1000;  // without an answer from PostgreSQL: what has no permit is left to others
  int loop = 0, loops = 1;   // of this daemon: without Redis each claims from its own part of the shards
  RetryPolicy retry;
  std::string callback_base;  // "<public url>/webhooks/"
  std::string instance;
  OwnWriting own_writing;
  std::string loop_label;  // of this loop's gauges: loop="0"
};

struct DeliveryProvider {
  std::shared_ptr<const Provider> provider;
  std::unique_ptr<Transport> transport;
};

struct DeliveryParts {  // all outlive the Delivery
  Loop& loop;
  const Clock& clock;
  Random& random;
  IdSource& ids;
  Log& log;
  Metrics& metrics;
  Queue& queue;
  Journal& journal;
  const Keyring& keys;
  const Routes& routes;
  const DuePlan& plan;
  Spool& spool;
};

class Delivery {  // loop thread only
 public:
  Delivery(DeliveryParts parts, DeliverySettings settings, Admit admit, Dispatcher dispatcher,
           std::map<std::string, DeliveryProvider> providers);
  ~Delivery();

  // Stops claiming and gives unpermitted hints back; what is under way ends, or is marked in doubt at the deadline.
  // `done` is called once every result is recorded, or when hurried the second time.
  void stop(int64_t deadline_ms, std::function<void()> done);
  void hurry();  // a second SIGTERM: marks what is under way now

  // Permits that nobody ended in time, of any run: recorded as in doubt (from the reconciler).
  void settle_overdue(std::vector<Uuid> ids);
  // What is due and may have to be ended or moved: past its expiry or window, in a lane or for a provider that the
  // configuration has no more (from the relay).
  void look(std::vector<Uuid> ids);
  void take_over(std::vector<SpoolRow> rows);  // results that an earlier run could not record
  void set_pauses(const Pauses& pauses) { admit_.set_pauses(pauses); }
  std::vector<ProviderHealth> health() const { return admit_.health(); }
  bool is_holding(const Uuid& id) const { return flights_.contains(id); }
  void on_redis_up(std::function<void()> action) { redis_up_ = std::move(action); }
  size_t in_flight() const { return flights_.size(); }

 private:
  using Waiting = std::deque<Uuid>;

  void pump();
  // claiming.cc: how it comes by its messages
  void claim();
  void claim_express();
  ClaimRequest claim_of(int shard, int count_max) const;
  void start_claim(ClaimRequest request, bool is_express);
  void claim_without_redis();
  void take_claimed(const Uuid& id, Priority priority, std::string lane, std::string pinned, std::string avoid);
  // delivery.cc: the way of a message
  Flight& add_flight(const Uuid& id, std::string lane);
  void wait_for_admission(Flight& flight);
  void admit_claimed();
  void admit_waiting(Waiting& waiting, Tick now);
  void ask_permit(Flight& flight);
  void write_batches();
  void write(Batch batch, bool is_large);
  void on_written(const Batch& batch, Result<BatchReply> reply);
  void on_permit(Permit permit);
  void refuse(Flight& flight);
  void end(Flight& flight, const PermitRefusal& refusal);
  void move(Flight& flight, const PermitRefusal& refusal);
  void send_granted();
  void send(Flight& flight, Transport& transport);
  bool open(Flight& flight, std::string& reason);
  bool add_pdf(Flight& flight, Outcome& refused);
  void on_outcome(const Uuid& id, Outcome outcome);
  void record(Flight& flight);
  void queue_result(Flight& flight, const Head& head, Status status, const AttemptState& state);
  void finish(const Uuid& id, std::optional<WallTime> again_at);
  void release(Flight& flight);
  void ack();
  void renew();
  Flight* find(const Uuid& id);
  std::vector<Uuid> sorted_ids(const std::function<bool(const Flight&)>& is_wanted) const;
  void wake_at(Tick at);
  WallTime server_now() const;

  // settlement.cc: what did not go its way
  void listen();
  void on_not_written(Batch batch, const Error& error);
  void on_refused_row(const Batch& batch, const Error& error);
  void look_up();
  void refresh_stale();
  void settle_unknown();
  void fetch_overdue();
  void take_looks();
  void end_as(Flight& flight, OutcomeKind kind, std::string reason);
  void spool_results();
  void give_back_unpermitted();
  void give_back_asked();
  void mark_all();
  void give_up();
  void check_stopped();

  DeliveryParts parts_;
  const DeliverySettings settings_;
  Admit admit_;
  Dispatcher dispatcher_;
  DeliveryEvents events_;
  std::map<std::string, DeliveryProvider> providers_;
  const RefusalView refusals_;

  std::unordered_map<Uuid, std::unique_ptr<Flight>> flights_;  // never gone through in its own order
  Room room_;
  // Wait to be admitted: by priority, then lane and pinned provider.
  std::array<std::map<std::pair<std::string, std::string>, Waiting>, 4> claimed_;
  Batches batches_;
  std::map<std::string, std::array<Waiting, 4>> granted_;  // by provider, priority: wait for their token
  Waiting unknown_;                                        // permits whose COMMIT is not known
  std::deque<std::pair<Uuid, int>> stale_;                 // results whose head has moved
  Waiting overdue_, looks_;
  std::set<Uuid> alarmed_;  // rows that the database refused, told once
  std::vector<Uuid> acks_;
  std::vector<std::pair<Uuid, WallTime>> nacks_;
  int claims_under_way_ = 0, express_under_way_ = 0, batches_under_way_ = 0, large_under_way_ = 0, sends_under_way_ = 0;
  int lookups_under_way_ = 0;
  const int first_shard_;        // to ask for without Redis: daemons begin at different ones
  bool is_table_wanted_ = true;  // without Redis: ask it now
  bool is_flushing_ = false;     // the hold time is over: write what there is
  bool is_held_off_ = false;     // after a refusal by a server in trouble
  Tick heard_at_{};              // PostgreSQL answered, or owed no answer
  bool is_silent_ = false;       // it owes one for too long
  bool is_spool_told_ = false;
  std::optional<std::pair<Tick, WallTime>> server_time_;  // what the database's clock was, and when
  bool is_stopping_ = false, is_hurried_ = false;
  bool is_marked_ = false;  // at a stop's deadline: what is granted from now on is not begun any more
  std::function<void()> stopped_, redis_up_;
  Timer hold_, poll_, wake_, renewal_, deadline_, trouble_;
  Tick wake_due_{};
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // callbacks that come after this is gone find it gone
};

}  // namespace signet
