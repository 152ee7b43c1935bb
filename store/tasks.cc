#include "store/tasks.h"

#include <iterator>

namespace signet {
namespace {

constexpr const char* kStates[] = {"waiting", "running", "done", "failed", "cancelled"};

constexpr char kColumns[] =
    "id, kind, state, asked_by, asked_role, parameters, instance, asked_at, started_at, finished_at, starts, "
    "is_cancel_asked, done, total, failure, result, file_name, media_type, size, sha256, is_kept, "
    "file_gone_at is not null";

Task task_of(const PgRows& rows, int i) {
  Task out;
  out.id = rows.uuid(i, 0);
  out.kind = rows.text(i, 1);
  for (size_t state = 0; state < std::size(kStates); state++)
    if (rows.octets(i, 2) == kStates[state]) out.state = static_cast<TaskState>(state);
  out.asked_by = rows.uuid(i, 3);
  out.asked_role = static_cast<Role>(rows.number(i, 4));
  out.parameters = rows.text(i, 5);
  out.instance = rows.text(i, 6);
  out.asked_at = rows.time(i, 7);
  out.started_at = rows.optional_time(i, 8);
  out.finished_at = rows.optional_time(i, 9);
  out.starts = static_cast<int>(rows.number(i, 10));
  out.is_cancel_asked = rows.flag(i, 11);
  out.done = rows.number(i, 12);
  out.total = rows.number(i, 13);
  out.failure = rows.text(i, 14);
  out.result = rows.text(i, 15);
  out.file_name = rows.text(i, 16);
  out.media_type = rows.text(i, 17);
  out.size = rows.number(i, 18);
  if (!rows.is_null(i, 19)) out.sha256 = digest_from(rows.octets(i, 19));
  out.is_kept = rows.flag(i, 20);
  out.is_file_gone = rows.flag(i, 21);
  return out;
}

std::optional<Task> first_of(const PgRows& rows) {
  if (rows.size() == 0) return std::nullopt;
  return task_of(rows, 0);
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

const char* to_string(TaskState state) { return kStates[static_cast<size_t>(state)]; }

Result<void> insert_task(PgTransaction& tx, const Task& task) {
  return done(
      tx.run("insert into task (id, kind, asked_by, asked_role, parameters, instance, asked_at) "
             "values ($1, $2, $3, $4, $5, $6, $7)",
             {task.id, task.kind, task.asked_by, static_cast<int32_t>(task.asked_role), task.parameters, task.instance,
              task.asked_at}));
}

Result<std::optional<Task>> read_task(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run("select " + std::string(kColumns) + " from task where id = $1", {id});
  if (!rows) return rows.error();
  return first_of(*rows);
}

Result<std::vector<Task>> list_tasks(PgTransaction& tx, const std::optional<Uuid>& asked_by,
                                     const std::optional<Uuid>& before, int count_max) {
  auto rows = tx.run("select " + std::string(kColumns) +
                         " from task where ($1::uuid is null or asked_by = $1) and ($2::uuid is null or id < $2) "
                         "order by id desc limit $3",
                     {asked_by, before, static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<Task> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(task_of(*rows, i));
  return out;
}

Result<bool> has_open_task(PgTransaction& tx, const std::string& kind) {
  auto rows = tx.run("select exists (select from task where kind = $1 and state in ('waiting', 'running'))", {kind});
  if (!rows) return rows.error();
  return rows->flag(0, 0);
}

Result<bool> ask_to_cancel(PgTransaction& tx, const Uuid& id, WallTime now) {
  auto rows = tx.run(
      "update task set is_cancel_asked = true, state = case state when 'waiting' then 'cancelled' else state end, "
      "finished_at = case state when 'waiting' then $2 end where id = $1 and state in ('waiting', 'running')",
      {id, now});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<void> reopen_tasks(PgSession& session, const std::string& instance) {
  return done(session.run("update task set state = 'waiting' where instance = $1 and state = 'running'", {instance}));
}

Result<std::optional<Task>> take_task(PgSession& session, const std::string& instance, WallTime now) {
  auto rows = session.run(
      "update task set state = 'running', started_at = $2, starts = starts + 1, done = 0 where id = "
      "(select id from task where instance = $1 and state = 'waiting' order by asked_at, id limit 1 "
      "for update skip locked) returning " +
          std::string(kColumns),
      {instance, now});
  if (!rows) return rows.error();
  return first_of(*rows);
}

Result<bool> report_progress(PgSession& session, const Uuid& id, int64_t done, int64_t total) {
  auto rows =
      session.run("update task set done = $2, total = $3 where id = $1 and not is_cancel_asked", {id, done, total});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<bool> end_task(PgTransaction& tx, const Task& task) {
  auto rows = tx.run(
      "update task set state = $2, finished_at = $3, failure = $4, result = $5, file_name = $6, "
      "media_type = $7, size = $8, sha256 = $9, done = $10, total = $11, is_kept = $12 "
      "where id = $1 and state = 'running'",
      {task.id, to_string(task.state), task.finished_at, task.failure, task.result, task.file_name, task.media_type,
       task.size, task.sha256 ? PgValue::octets(view(*task.sha256)) : PgValue::null(), task.done, task.total,
       task.is_kept});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<bool> drop_file(PgTransaction& tx, const Uuid& id, WallTime now) {
  auto rows = tx.run(
      "update task set file_gone_at = $2 where id = $1 and state = 'done' and file_name <> '' and file_gone_at is null",
      {id, now});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<void> keep_file(PgTransaction& tx, const Uuid& id, bool is_kept) {
  return done(tx.run("update task set is_kept = $2 where id = $1", {id, is_kept}));
}

Result<void> expire_files(PgSession& session, const std::string& instance, WallTime finished_before, WallTime now) {
  return done(
      session.run("update task set file_gone_at = $3 where instance = $1 and finished_at < $2 and "
                  "file_name <> '' and file_gone_at is null and not is_kept",
                  {instance, finished_before, now}));
}

Result<std::vector<Uuid>> live_files(PgSession& session, const std::string& instance) {
  auto rows =
      session.run("select id from task where instance = $1 and file_name <> '' and file_gone_at is null", {instance});
  if (!rows) return rows.error();
  std::vector<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->uuid(i, 0));
  return out;
}

}  // namespace signet
