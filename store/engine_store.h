// What relay, reconciler and callbacks ask and write beside the delivery path: lists of what wants a look, and changes
// of single messages that a pure function decides. PostgreSQL's and the memory model's pass the same tests.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "message/message.h"
#include "store/alert_figures.h"
#include "store/audit_log.h"
#include "store/callbacks.h"
#include "store/message_change.h"

namespace signet {

struct DueLane {  // of one shard's due rows; in the order in which they are offered
  Priority priority = Priority::normal;
  int shard = 0;
  std::string lane;
  auto operator<=>(const DueLane&) const = default;
};
struct DueSpan {                     // by the server's clock
  int64_t ahead_ms = 0;              // due before so long from now
  std::optional<int64_t> behind_ms;  // and not longer ago than this; absent: however long ago
};
struct DueCursor {  // the last row seen of a lane
  WallTime due_at;
  Uuid id;
};
using Stamps = std::array<int64_t, kShards>;

struct StaleDue {
  std::vector<DueRow> rows;
  Uuid last;  // where the next slice begins; nil: the end was reached
};

struct OverduePermits {
  std::vector<Uuid> messages;
  Uuid last;  // where the next slice begins; nil: the end was reached
};

struct Doubt {  // the newest attempt of a message in doubt, once it has waited
  Uuid message_id;
  int attempt_no = 0;
  std::string provider, provider_reference;  // of the attempt
  int64_t key_age_ms = 0;                    // since this provider first saw the key that a repeat would use, at most
  int looks = 0;                             // how often it was looked at already
};

struct MessageCount {  // of a status and the last provider, which is empty before the first
  Status status{};
  std::string provider;
  int64_t messages = 0;
  int64_t unconfirmed = 0;  // of them, sent and without a receipt within the provider's time
};
struct ReceiptLimit {
  std::string provider;
  int64_t wait_ms = 0;
};

struct Postponed {
  Uuid id;
  int64_t delay_ms = 0;
};

struct Totals {     // for metrics and readiness
  int64_t due = 0;  // above 20,000 an estimate: to count them all is work that the deliveries feel
  int64_t oldest_due_ms = 0;
  int64_t orphans = 0;  // callbacks that fit no message, or no result of ours, and not only since a moment ago
};

struct Pulse {
  int daemons = 0;  // that live
  WallTime server_now;
};

// One thread; each call blocks and is one transaction. Ages are counted by the database's clock. On `unavailable` it is
// not known whether a change took effect: every one of them may be asked for again.
class EngineStore {
 public:
  virtual ~EngineStore() = default;

  // Whether `place` is this daemon's: takes it if nobody holds it, and gives a sign of life while it does. Then all
  // calls go by the session that holds it, so that who lost it changes nothing any more. An error: it is lost.
  virtual Result<bool> lead(Elected place) = 0;
  virtual void leave() = 0;
  // This daemon lives, with these runs of its loops. Says how many daemons do, and the server's time.
  virtual Result<Pulse> beat(const std::string& instance, const std::vector<Uuid>& epochs) = 0;

  // For the relay. Lanes that have a row which is due within `ahead_ms`, critical ones of all shards first.
  virtual Result<std::vector<DueLane>> due_lanes(int64_t ahead_ms) = 0;
  virtual Result<std::vector<DueRow>> scan_due(const DueLane& lane, const DueSpan& span,
                                               const std::optional<DueCursor>& after, int count_max) = 0;
  // The highest stamp of each shard's queue that was recorded.
  virtual Result<Stamps> stamps() = 0;
  virtual Result<void> record_stamps(const Stamps& stamps) = 0;
  // Of the next `count_max` due rows by id: past send_until, or in none of these lanes.
  virtual Result<StaleDue> stale_due(const Uuid& after, int count_max, const std::vector<std::string>& lanes) = 0;

  // For the reconciler. Of the next `count_max` due rows by id those with a permit older than `age_ms`: of a run that
  // is gone; of one that lives, past twice that. None within `grace_ms` of the server's start: what waited for it comes
  // first.
  virtual Result<OverduePermits> overdue_permits(const Uuid& after, int count_max, int64_t age_ms,
                                                 int64_t grace_ms) = 0;
  // Messages in doubt whose wait, `wait_ms` from when they were first noticed or what postpone_doubts() said, is over.
  virtual Result<std::vector<Doubt>> doubts(int64_t wait_ms, int count_max) = 0;
  virtual Result<void> postpone_doubts(const std::vector<Postponed>& messages) = 0;
  virtual Result<std::optional<std::pair<std::string, std::string>>> data_key(const Uuid& message_id) = 0;
  virtual Result<bool> keep_callback(const CallbackRow& row) = 0;  // false: it is there already
  virtual Result<Slice> look_at_messages(const Uuid& after, int count_max) = 0;
  // The messages of a slice, counted: of ids above `after`, up to `last` if it is not nil.
  virtual Result<std::vector<MessageCount>> count_messages(const Uuid& after, const Uuid& last,
                                                           const std::vector<ReceiptLimit>& limits) = 0;
  virtual Result<Totals> totals() = 0;

  // For the callbacks. Due ones, oldest first; nobody else gets them for `lease_ms`.
  virtual Result<std::vector<CallbackRow>> take_callbacks(int count_max, int64_t lease_ms) = 0;
  virtual Result<void> postpone_callbacks(const std::vector<Postponed>& callbacks) = 0;
  virtual Result<void> end_callback(const Uuid& id) = 0;  // it stays in the ledger, unmatched
  // Whose attempt a provider without an echo knows by this reference, of each (provider, reference) that is known.
  using Reference = std::pair<std::string, std::string>;
  virtual Result<std::map<Reference, std::pair<Uuid, int>>> find_references(
      const std::vector<Reference>& references) = 0;

  // See store/message_change.h. invalid, conflict: nothing of it took effect; one of several may be at fault.
  virtual Result<std::vector<Changed>> change(const std::vector<Uuid>& ids, const Decide& decide) = 0;
};

std::unique_ptr<EngineStore> make_pg_engine_store(PgOptions postgres, const Clock& clock);

}  // namespace signet
