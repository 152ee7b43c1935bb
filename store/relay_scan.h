// What background work reads: due rows to offer as hints, permits without a result, messages in doubt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "message/message.h"
#include "store/messages.h"
#include "store/pg_session.h"

namespace signet {

struct ScanCursor {  // (priority, lane, due_at, id) of the last row seen in a shard
  int16_t priority = 0;
  std::string lane;
  WallTime due_at;
  Uuid id;
};
// Rows of one shard due before `until` and past `cursor`, in the index's order.
Result<std::vector<DueRow>> scan_due(PgSession& session, int shard, WallTime until,
                                     const std::optional<ScanCursor>& cursor, int count_max);
Result<std::vector<int>> shards_with_due(PgSession& session, WallTime until);

struct OverduePermit {
  Uuid message_id;
  int attempt_no = 0;
  std::string provider;
  WallTime permitted_at;
};
// Permits older than `age_ms` by the database's clock that have no result.
Result<std::vector<OverduePermit>> overdue_permits(PgSession& session, int64_t age_ms, int count_max);
// In doubt for longer than `age_ms`, with the attempt in question.
Result<std::vector<OverduePermit>> doubts(PgSession& session, int64_t age_ms, Kind kind, int count_max);

struct Totals {  // for metrics and readiness
  std::vector<std::pair<Status, int64_t>> by_status;
  int64_t due = 0;
  int64_t oldest_due_ms = 0;
};
Result<Totals> totals(PgSession& session);

}  // namespace signet
