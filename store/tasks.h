// What takes longer than an answer: asked for in one transaction, run by the daemon that took it, its file in that
// daemon's spool. Any thread, one session each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "message/policy.h"
#include "store/pg_session.h"

namespace signet {

enum class TaskState { waiting, running, done, failed, cancelled };
const char* to_string(TaskState state);

struct Task {
  Uuid id;
  std::string kind;  // "export", "report", "verification"
  TaskState state = TaskState::waiting;
  Uuid asked_by;  // nil: a schedule
  Role asked_role = Role::admin;
  std::string parameters = "{}";  // canonical JSON, never PHI
  std::string instance;           // whose spool has the file
  WallTime asked_at;
  std::optional<WallTime> started_at, finished_at;
  int starts = 0;  // how often it was begun: a daemon that dies in it begins again
  bool is_cancel_asked = false;
  int64_t done = 0, total = 0;  // progress; total 0: not known
  std::string failure;          // says what to do
  std::string result = "{}";    // canonical JSON, by kind
  std::string file_name;        // as it is offered; empty: none
  std::string media_type;
  int64_t size = 0;
  std::optional<Digest> sha256;  // of the file
  bool is_kept = false;          // its file stays, however old
  bool is_file_gone = false;
};

Result<void> insert_task(PgTransaction& tx, const Task& task);
Result<std::optional<Task>> read_task(PgTransaction& tx, const Uuid& id);
// The newest first; those of one user if given; before this one if given.
Result<std::vector<Task>> list_tasks(PgTransaction& tx, const std::optional<Uuid>& asked_by,
                                     const std::optional<Uuid>& before, int count_max);
Result<bool> has_open_task(PgTransaction& tx, const std::string& kind);  // waiting or running
// False: it has ended already. A waiting one ends at once, a running one at its next report.
Result<bool> ask_to_cancel(PgTransaction& tx, const Uuid& id, WallTime now);

// Those that ran when this instance's daemon ended wait again.
Result<void> reopen_tasks(PgSession& session, const std::string& instance);
Result<std::optional<Task>> take_task(PgSession& session, const std::string& instance, WallTime now);  // the oldest
// False: somebody asked that it stop.
Result<bool> report_progress(PgSession& session, const Uuid& id, int64_t done, int64_t total);
// State, failure, result, file. False: it has ended before.
Result<bool> end_task(PgTransaction& tx, const Task& task);
// The file goes now; false: there is none any more.
Result<bool> drop_file(PgTransaction& tx, const Uuid& id, WallTime now);
Result<void> keep_file(PgTransaction& tx, const Uuid& id, bool is_kept);  // whatever its age
// Files of tasks that ended before this are nobody's any more, but those kept.
Result<void> expire_files(PgSession& session, const std::string& instance, WallTime finished_before, WallTime now);
Result<std::vector<Uuid>> live_files(PgSession& session, const std::string& instance);

}  // namespace signet
