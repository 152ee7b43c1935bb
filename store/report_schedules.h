// When reports are due, and the one that was made for each period. Each function is one step inside the caller's
// transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct ReportSchedule {
  Uuid id;
  std::string name, source;  // "configuration" or "api"
  std::string cron, format, deliver_to;
  bool is_paused = false;
  int version = 1;
  Uuid created_by;  // nil: the configuration
  WallTime created_at;
  WallTime covered_until;  // where the next period begins
};

struct ReportRun {
  Uuid id;  // the task's
  Uuid schedule_id;
  WallTime period_from, period_to;
  std::string format, deliver_to;
  std::string state = "waiting";  // "delivered", "failed"
  std::string failure;            // says what to do
  std::optional<Uuid> message_id;
  WallTime made_at;
};

Result<void> insert_schedule(PgTransaction& tx, const ReportSchedule& row);  // conflict: the name is taken
Result<std::vector<ReportSchedule>> list_schedules(PgTransaction& tx);       // those that have not ended, by name
Result<std::optional<ReportSchedule>> lock_schedule(PgTransaction& tx, const Uuid& id);
// Those that nobody else is working on, locked until the transaction ends.
Result<std::vector<ReportSchedule>> take_schedules(PgTransaction& tx);
// cron, format, deliver_to, is_paused, covered_until; the version moves on unless only covered_until is new.
Result<void> update_schedule(PgTransaction& tx, const ReportSchedule& row, bool is_new_version);
Result<void> end_schedule(PgTransaction& tx, const Uuid& id, WallTime now);

Result<bool> insert_run(PgTransaction& tx, const ReportRun& run);  // false: this period has one
Result<std::optional<ReportRun>> lock_run(PgTransaction& tx, const Uuid& id);
Result<std::optional<ReportRun>> last_run(PgTransaction& tx, const Uuid& schedule_id);
Result<int64_t> count_open_runs(PgTransaction& tx, const Uuid& schedule_id);  // whose task has not ended
Result<void> end_run(PgTransaction& tx, const ReportRun& run);                // state, failure, message_id

}  // namespace signet
