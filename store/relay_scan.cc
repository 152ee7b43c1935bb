#include "store/relay_scan.h"

namespace signet {
namespace {

Result<std::vector<OverduePermit>> permits_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::vector<OverduePermit> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->uuid(i, 0), static_cast<int>(rows->number(i, 1)), rows->text(i, 2), rows->time(i, 3)});
  return out;
}

}  // namespace

Result<std::vector<DueRow>> scan_due(PgSession& session, int shard, WallTime until,
                                     const std::optional<ScanCursor>& cursor, int count_max) {
  std::vector<PgValue> values{static_cast<int32_t>(shard), until, static_cast<int32_t>(count_max)};
  std::string past;
  if (cursor) {
    past = " and (priority, lane, due_at, message_id) > ($4, $5, $6, $7)";
    values.insert(values.end(), {PgValue(static_cast<int32_t>(cursor->priority)), PgValue(cursor->lane),
                                 PgValue(cursor->due_at), PgValue(cursor->id)});
  }
  auto rows = session.run(
      "select message_id, attempt_no, priority, lane, sender, coalesce(provider, ''), due_at, send_until from due "
      "where shard = $1 and due_at < $2" +
          past + " order by shard, priority, lane, due_at, message_id limit $3",
      values);
  if (!rows) return rows.error();
  std::vector<DueRow> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->uuid(i, 0), static_cast<int>(rows->number(i, 1)), static_cast<Priority>(rows->number(i, 2)),
                   rows->text(i, 3), rows->text(i, 4), rows->text(i, 5), rows->time(i, 6), rows->optional_time(i, 7)});
  return out;
}

Result<std::vector<int>> shards_with_due(PgSession& session, WallTime until) {
  auto rows = session.run(
      "select s from generate_series(0, 63) s where exists (select from due where shard = s and due_at < $1)", {until});
  if (!rows) return rows.error();
  std::vector<int> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(static_cast<int>(rows->number(i, 0)));
  return out;
}

Result<std::vector<OverduePermit>> overdue_permits(PgSession& session, int64_t age_ms, int count_max) {
  // Looked for through due: a row exists there exactly while an attempt has no result.
  return permits_of(session.run(
      "select s.message_id, s.attempt_no::int, s.provider, s.permitted_at from due d cross join lateral (select * from "
      "attempt_start a where a.message_id = d.message_id and a.attempt_no = d.attempt_no and a.kind = 1 offset 0) s "
      "where d.due_at < now() - $1 * interval '1 millisecond' and s.permitted_at < now() - $1 * interval '1 "
      "millisecond' order by s.message_id limit $2",
      {age_ms, static_cast<int32_t>(count_max)}));
}

Result<std::vector<OverduePermit>> doubts(PgSession& session, int64_t age_ms, Kind kind, int count_max) {
  return permits_of(session.run(
      "select m.id, r.attempt_no::int, coalesce(m.provider, ''), r.finished_at from message m cross join lateral "
      "(select "
      "attempt_no, finished_at from attempt_result a where a.message_id = m.id order by attempt_no desc limit 1) r "
      "where m.status = 10 and m.kind = $3 and r.finished_at < now() - $1 * interval '1 millisecond' "
      "order by m.id limit $2",
      {age_ms, static_cast<int32_t>(count_max), static_cast<int32_t>(kind)}));
}

Result<Totals> totals(PgSession& session) {
  auto due = session.run(
      "select count(*), coalesce((extract(epoch from now() - min(due_at)) * 1000)::bigint, 0) from due "
      "where due_at <= now()");
  if (!due) return due.error();
  auto statuses = session.run("select status, count(*) from message group by 1 order by 1");
  if (!statuses) return statuses.error();
  Totals out;
  out.due = due->number(0, 0);
  out.oldest_due_ms = due->number(0, 1);
  for (int i = 0; i < statuses->size(); i++)
    out.by_status.emplace_back(static_cast<Status>(statuses->number(i, 0)), statuses->number(i, 1));
  return out;
}

}  // namespace signet
