// The delivery engine's side of the store: permits and results, in batches, without blocking the loop. A permit row is
// the right to send; a result row ends the attempt (design: engine, "The way of a message").
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/result.h"
#include "message/message.h"
#include "message/outcome.h"
#include "store/entry.h"
#include "store/pg_session.h"
#include "store/suppressions.h"

namespace signet {

struct PermitRequest {  // of an admitted message
  Uuid id;
  // Without a provider it is a look, which is never granted: at what has to be ended or moved. Without a lane it asks
  // for none.
  std::string lane, provider, route_reason;
  bool has_choice = false;               // the lane has another provider that may be used now
  Priority priority = Priority::normal;  // as far as the asker knows; for its own order
};

enum class PermitVerdict : int16_t {
  granted = 0,
  nothing_due = 1,        // no due row: ended, or another daemon was first
  not_queued = 2,         // the message is in another status
  cancel_requested = 3,   // end it as cancelled, by a void
  expired = 4,            // end it as failed
  suppressed = 5,         // end it as suppressed
  not_yet = 6,            // due_at lies ahead
  window_closed = 7,      // send_until has passed: move it to the next window
  other_lane = 8,         // ask for it anew in the lane of its due row
  other_provider = 9,     // the due row names one
  out_of_order = 10,      // the attempt before has no result that allows another: end it as failed
  taken = 11,             // somebody holds this attempt
  avoided_provider = 12,  // it has just failed there, and there is a choice
  paused = 13,            // by a person: the priority, or the provider
  looked = 14,            // nothing stands against it, but it was only a look
};

struct Permit {
  Uuid id;
  PermitVerdict verdict = PermitVerdict::nothing_due;
  int attempt_no = 0;
  Kind kind = Kind::sms;
  Priority priority = Priority::normal;
  std::string lane, sender;            // of the due row
  std::string pinned_provider, avoid;  // of the due row; empty: none
  std::string provider, route_reason;  // of the permit
  std::string instance;                // of the daemon that holds the permit
  WallTime due_at, permitted_at;       // permitted or refused, by the database's clock
  std::optional<WallTime> send_until, expires_at;
  Tick written_at;  // when the statement was written: the send deadline counts from here
  int version = 0, requeues = 0, attempts = 0, max_attempts = 0;
  Status status = Status::queued;
  Head head;
  // Refused ones only, for a plan of when and where it may go.
  std::string destination, time_zone;
  std::vector<std::string> tags;
  bool is_urgent = false;
  // Granted ones only: sealed, as stored.
  std::string kek_id, wrapped_key, sealed, recipient_key, envelope_commit, approval_mac, policy_id;
  int content_version = 0;
};

struct ResultRow {
  Uuid id;
  int attempt_no = 0;
  Outcome outcome;
  std::string provider;
  WallTime started_at, finished_at;
  Status status = Status::queued;  // of the message afterwards
  std::string failure_reason;
  bool is_counted = true, is_proven = true;
  std::optional<int64_t> next_delay_ms;  // until the next attempt, by the database's clock; none: the due row goes
  std::string next_avoid;                // the provider that the next attempt goes past, if it can
  bool is_named = false;                 // receipts will name it by the provider's reference alone
  Head head;                             // the gate: the row takes effect only on this head
  Entry entry;
  // The provider refused it since the recipient opted out there, or has no mailbox: its recipient key is the message's
  // own.
  std::optional<NewSuppression> opt_out = {};
};

// Ends a message that got no permit: a void takes the attempt's key, so that nobody sends.
struct EndRow {
  Uuid id;
  int attempt_no = 0;
  Status status = Status::failed;
  std::string reason;
  bool is_proven = false;
  Head head;
  Entry entry;
};

// Another lane or window for what is due. Takes effect only while that attempt is due and nobody holds it.
struct MoveRow {
  Uuid id;
  int attempt_no = 0;
  std::string lane;
  WallTime due_at;
  std::optional<WallTime> send_until;
};

struct Batch {  // one transaction
  std::vector<ResultRow> results;
  std::vector<EndRow> ends;
  std::vector<MoveRow> moves;
  std::vector<PermitRequest> permits;
  size_t size() const { return results.size() + ends.size() + moves.size() + permits.size(); }
};
struct BatchReply {
  std::vector<Permit> permits;                      // one for each request
  std::vector<Uuid> stale;                          // results and ends whose head has moved: see heads()
  std::vector<std::pair<Uuid, WallTime>> next_due;  // of results with a next attempt
};

struct Present {  // a message as it stands now
  Uuid id;
  Status status = Status::queued;
  Head head;
  bool is_cancel_requested = false;
  bool has_result = false;  // of the attempt asked about
  bool is_proven = true;
  int attempts = 0;
};

struct DueQuery {  // what may be claimed without Redis
  std::vector<int> shards;
  std::vector<std::string> lanes;
  std::array<bool, 4> closed_priorities{};  // critical, high, normal, bulk
  std::vector<Uuid> held;                   // the asker's already
  int count_max = 0;
};
struct DueClaim {
  Uuid id;
  Priority priority = Priority::normal;
  std::string lane, pinned_provider, avoid;
};

// One loop's. Callbacks come on it, never inside the call.
class Journal {
 public:
  virtual ~Journal() = default;
  virtual bool has_room() const = 0;    // a connection is free to take a batch
  virtual int connections() const = 0;  // that are up, free or not
  virtual bool is_up() const = 0;
  // On `unavailable` it is not known whether the batch took effect: results may be written again (the gate holds),
  // permits are settled by open_permits().
  virtual void write(Batch batch, std::function<void(Result<BatchReply>)> done) = 0;
  virtual void heads(std::vector<std::pair<Uuid, int>> attempts,
                     std::function<void(Result<std::vector<Present>>)> done) = 0;
  // Permits among `ids` that have no result: this journal's own, or anybody's. Without the sealed parts.
  virtual void open_permits(std::vector<Uuid> ids, bool only_mine,
                            std::function<void(Result<std::vector<Permit>>)> done) = 0;
  // Without Redis: what is due, not held by a permit, locked by nobody (`for update skip locked`). By priority, and
  // within one by shard, in the query's order, and lane.
  virtual void claim_due(DueQuery query, std::function<void(Result<std::vector<DueClaim>>)> done) = 0;
  virtual void on_change(std::function<void(bool is_up)> changed) = 0;
};

struct JournalOptions {
  PgOptions postgres;
  int connections = 2;
  Uuid epoch;  // of this loop in this run of the daemon: open_permits() tells its own permits from others' by it
  std::string instance;
};

std::unique_ptr<Journal> make_pg_journal(Loop& loop, const Clock& clock, Random& random, Log& log,
                                         JournalOptions options);

}  // namespace signet
