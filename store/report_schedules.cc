#include "store/report_schedules.h"

namespace signet {
namespace {

constexpr char kSchedule[] =
    "select id, name, source, cron, format, deliver_to, is_paused, version, created_by, created_at, covered_until "
    "from report_schedule where ended_at is null ";
constexpr char kRun[] =
    "select id, schedule_id, period_from, period_to, format, deliver_to, state, failure, message_id, made_at "
    "from report_run where ";

ReportSchedule schedule_of(const PgRows& rows, int i) {
  return {rows.uuid(i, 0), rows.text(i, 1), rows.text(i, 2), rows.text(i, 3),
          rows.text(i, 4), rows.text(i, 5), rows.flag(i, 6), static_cast<int>(rows.number(i, 7)),
          rows.uuid(i, 8), rows.time(i, 9), rows.time(i, 10)};
}

Result<std::vector<ReportSchedule>> schedules_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::vector<ReportSchedule> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(schedule_of(*rows, i));
  return out;
}

Result<std::optional<ReportRun>> run_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<ReportRun>();
  ReportRun run{rows->uuid(0, 0), rows->uuid(0, 1), rows->time(0, 2), rows->time(0, 3), rows->text(0, 4),
                rows->text(0, 5), rows->text(0, 6), rows->text(0, 7), std::nullopt,     rows->time(0, 9)};
  if (!rows->is_null(0, 8)) run.message_id = rows->uuid(0, 8);
  return std::optional(std::move(run));
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<void> insert_schedule(PgTransaction& tx, const ReportSchedule& s) {
  return done(
      tx.run("insert into report_schedule (id, name, source, cron, format, deliver_to, is_paused, created_by, "
             "created_at, covered_until) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
             {s.id, s.name, s.source, s.cron, s.format, s.deliver_to, PgValue(s.is_paused), s.created_by, s.created_at,
              s.covered_until}));
}

Result<std::vector<ReportSchedule>> list_schedules(PgTransaction& tx) {
  return schedules_of(tx.run(std::string(kSchedule) + "order by name"));
}

Result<std::optional<ReportSchedule>> lock_schedule(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(std::string(kSchedule) + "and id = $1 for update", {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<ReportSchedule>();
  return std::optional(schedule_of(*rows, 0));
}

Result<std::vector<ReportSchedule>> take_schedules(PgTransaction& tx) {
  return schedules_of(tx.run(std::string(kSchedule) + "and not is_paused order by name for update skip locked"));
}

Result<void> update_schedule(PgTransaction& tx, const ReportSchedule& s, bool is_new_version) {
  return done(tx.run(
      "update report_schedule set cron = $2, format = $3, deliver_to = $4, is_paused = $5, covered_until = $6, "
      "version = version + $7::int where id = $1",
      {s.id, s.cron, s.format, s.deliver_to, PgValue(s.is_paused), s.covered_until, int32_t{is_new_version ? 1 : 0}}));
}

Result<void> end_schedule(PgTransaction& tx, const Uuid& id, WallTime now) {
  return done(tx.run("update report_schedule set ended_at = $2 where id = $1", {id, now}));
}

Result<bool> insert_run(PgTransaction& tx, const ReportRun& r) {
  auto rows = tx.run(
      "insert into report_run (id, schedule_id, period_from, period_to, format, deliver_to, made_at) "
      "values ($1, $2, $3, $4, $5, $6, $7) on conflict (schedule_id, period_to) do nothing",
      {r.id, r.schedule_id, r.period_from, r.period_to, r.format, r.deliver_to, r.made_at});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<std::optional<ReportRun>> lock_run(PgTransaction& tx, const Uuid& id) {
  return run_of(tx.run(std::string(kRun) + "id = $1 for update", {id}));
}

Result<std::optional<ReportRun>> last_run(PgTransaction& tx, const Uuid& schedule_id) {
  return run_of(tx.run(std::string(kRun) + "schedule_id = $1 order by period_to desc limit 1", {schedule_id}));
}

Result<int64_t> count_open_runs(PgTransaction& tx, const Uuid& schedule_id) {
  auto rows = tx.run(
      "select count(*) from report_run r join task t on t.id = r.id where r.schedule_id = $1 and r.state = 'waiting' "
      "and t.state in ('waiting', 'running')",
      {schedule_id});
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

Result<void> end_run(PgTransaction& tx, const ReportRun& r) {
  return done(tx.run("update report_run set state = $2, failure = $3, message_id = $4 where id = $1",
                     {r.id, r.state, r.failure, PgValue(r.message_id)}));
}

}  // namespace signet
