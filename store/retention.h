// How long content is kept: a message's own date, legal holds, what has ended, and its erasure. Erasing is the login
// signet_purge's; everything else is the application's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "message/message.h"
#include "store/entry.h"
#include "store/pg_session.h"

namespace signet {

struct Retention {                       // of one message
  std::optional<WallTime> retain_until;  // in place of the policy's years
  std::optional<WallTime> held_at;       // legal hold
  std::optional<Uuid> held_by;
  std::string hold_reason;  // a label
  std::optional<WallTime> erased_at;
};
Result<Retention> read_retention(PgTransaction& tx, const Uuid& id);
Result<void> write_retain_until(PgTransaction& tx, const Uuid& id, std::optional<WallTime> until);
// The caller holds the message's row: a purge that had it first has erased, one that comes later sees the hold.
Result<void> set_legal_hold(PgTransaction& tx, const Uuid& id, const Uuid& user_id, WallTime at,
                            const std::string& reason);
Result<void> end_legal_hold(PgTransaction& tx, const Uuid& id);
// The next event of a message whose other columns stay. conflict: the head has moved.
Result<void> append_event(PgTransaction& tx, const Uuid& id, const Head& before, const Entry& entry);

// What has ended: a message's status is final, `approved` (filed) or `rejected`, nothing holds it, and its own date, or
// else its last change and these years, lie before now.
struct RetentionTerm {
  int years = 7;
  WallTime now;
};
Result<std::vector<std::pair<Status, int64_t>>> count_due(PgTransaction& tx, const RetentionTerm& term);

struct DueContent {
  Uuid id;
  Status status = Status::pending;
  Head head;
  bool has_own_date = false;
};
enum class RetentionBy { policy, own_date };
// Locks the messages' rows until the transaction ends, and then looks again whether they are due. What somebody else
// has locked is left out. `after`: the last id of the batch before; nil at first. The last id looked at comes with it;
// none: there are no more.
struct DueBatch {
  std::vector<DueContent> due;
  std::optional<Uuid> last;
};
Result<DueBatch> lock_due(PgTransaction& tx, const RetentionTerm& term, RetentionBy by, const Uuid& after,
                          int count_max);
// Key, content, the key of its text, open statements. What insert-only tables hold of it stays and opens no more.
Result<void> erase_content(PgTransaction& tx, const std::vector<Uuid>& ids, WallTime now);
// Keys of the days that ended those years before now; those stay that sealed something of a held message.
Result<int64_t> erase_day_keys(PgTransaction& tx, const RetentionTerm& term);

struct RetentionTotals {
  int64_t held = 0, erased = 0;
  std::optional<WallTime> purged_at;  // the last purge
  int64_t purged_messages = 0;        // of that one
};
Result<RetentionTotals> read_retention_totals(PgTransaction& tx);
Result<std::optional<WallTime>> last_purge(PgTransaction& tx);
Result<std::optional<int>> recorded_years(PgTransaction& tx);  // none: no daemon has said yet
// The years that the database knew until now; none: nobody had said yet.
Result<std::optional<int>> record_policy(PgTransaction& tx, int years);
Result<void> record_purge(PgTransaction& tx, int years, WallTime at, int64_t messages);

}  // namespace signet
