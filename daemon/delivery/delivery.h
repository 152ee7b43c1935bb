// One loop's share of the deliveries, from a claimed hint to its acknowledgement. The order is the safety:
//   claim -> admit -> permit (COMMIT) -> unseal and check -> send -> result (COMMIT) -> ack
// pump() in delivery.cc has it on one screen.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "daemon/delivery/admit.h"
#include "daemon/delivery/dispatcher.h"
#include "daemon/delivery/events.h"
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
  int batch = 256;    // of a claim, a permit batch, a result batch
  int hold = 128;     // rows that a batch waits for, a few milliseconds at most, while sends are under way
  int64_t permit_start_ms = 5000;
  int64_t request_timeout_ms = 30000;
  int64_t poll_ms = 250;     // of the queue, when no bell rings
  int64_t lease_ms = 15000;  // renewed while it lasts; what a dead daemon held is claimed anew after it
  RetryPolicy retry;
  std::string callback_base;  // "<public url>/webhooks/"
  std::string instance;
  std::set<std::string> system_recipients;  // whom messages by `system` may go to, in normal form
  std::string loop_label;                   // of this loop's gauges: loop="0"
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
  bool is_holding(const Uuid& id) const { return flights_.contains(id); }
  void on_redis_up(std::function<void()> action) { redis_up_ = std::move(action); }
  size_t in_flight() const { return flights_.size(); }

 private:
  struct Flight {  // a message between claim and ack
    Uuid id;
    std::string lane, provider, route_reason;
    bool is_admitted = false;
    Permit permit;
    Outbound outbound;
    WallTime started_at, finished_at;
    Outcome outcome;
    bool has_started = false;  // its token is spent
    bool is_sending = false;
    bool has_outcome = false;
    std::optional<WallTime> next_due;  // of the next attempt: the hint goes back instead of away
  };
  using FlightPtr = std::unique_ptr<Flight>;

  void pump();
  void claim();
  void claim_without_redis();
  void take_claimed(std::string lane, const Uuid& id);
  std::vector<std::string> closed_lanes() const;
  void admit_claimed();
  void write_batch();
  bool is_worth_a_batch() const;
  void on_written(const Batch& batch, Result<BatchReply> reply);
  void on_not_written(const Batch& batch, const Error& error);
  void on_permit(Permit permit);
  void refuse(Flight& flight);
  void end(Flight& flight, Status status, const std::string& reason);
  void send_granted();
  void send(Flight& flight, Transport& transport);
  bool open(Flight& flight);
  void on_outcome(const Uuid& id, Outcome outcome);
  void record(Flight& flight);
  void queue_result(Flight& flight, const Head& head, Status status, const AttemptState& state);
  void refresh_stale();
  void settle_unknown();
  void recorded(const Uuid& id);
  void finish(const Uuid& id, std::optional<WallTime> again_at);
  void ack();
  void renew();
  void mark_all();
  void give_back_unpermitted();
  void check_stopped();
  Flight* find(const Uuid& id);
  void fetch_overdue();

  DeliveryParts parts_;
  const DeliverySettings settings_;
  Admit admit_;
  Dispatcher dispatcher_;
  DeliveryEvents events_;
  std::map<std::string, DeliveryProvider> providers_;

  std::unordered_map<Uuid, FlightPtr> flights_;
  std::map<std::string, std::deque<Uuid>> claimed_;  // by lane: wait to be admitted
  std::deque<PermitRequest> admitted_;               // wait for a permit batch
  std::map<std::string, std::deque<Uuid>> granted_;  // by provider: wait for room in its transport
  std::deque<ResultRow> results_;                    // wait for a result batch
  std::deque<EndRow> ends_;
  std::deque<Uuid> unknown_;                // permits whose COMMIT is not known
  std::deque<std::pair<Uuid, int>> stale_;  // results whose head has moved
  std::deque<Uuid> overdue_;
  std::vector<Uuid> acks_;
  std::vector<std::pair<Uuid, WallTime>> nacks_;
  int claims_under_way_ = 0, batches_under_way_ = 0, sends_under_way_ = 0, lookups_under_way_ = 0;
  bool is_flushing_ = false;  // the hold time is over: write what there is
  int careful_ = 0;           // rows still to be written one by one, after a batch with bad data in it
  bool is_stopping_ = false, is_hurried_ = false;
  bool is_marked_ = false;    // at a stop's deadline: what is granted from now on is not begun any more
  bool is_held_off_ = false;  // after a refusal by a server in trouble
  std::function<void()> stopped_, redis_up_;
  Timer hold_, poll_, admission_, start_, renewal_, deadline_, trouble_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // callbacks that come after this is gone find it gone
};

}  // namespace signet
