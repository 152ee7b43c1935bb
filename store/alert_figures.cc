#include "store/alert_figures.h"

#include <algorithm>

#include "store/due_lanes.h"

namespace signet {
namespace {

// `m` are the messages in question, of ids from $1 to $2: other partitions are put aside. Both of a message's facts are
// written in one transaction, so that one statement never sees half of them.
constexpr char kFaults[] =
    "select m.id, m.status = 4 and not exists (select from due d where d.message_id = m.id), "
    "r.n > 1 and r.n > 1 + (select count(*) from decision d where d.message_id = m.id and d.message_id between $1 and "
    "$2 and d.decision in ('resend', 'requeue')) from message m cross join lateral (select count(*) as n from "
    "attempt_result r where r.message_id = m.id and r.message_id between $1 and $2 and r.outcome = 1) r ";

Result<int64_t> count_of(PgSession& session, const std::string& sql, WallTime time) {
  auto rows = session.run(sql, {time});
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

void sort_out(const PgRows& rows, Slice& slice) {
  for (int i = 0; i < rows.size(); i++) {
    if (rows.flag(i, 1)) slice.lost.push_back(rows.uuid(i, 0));
    if (rows.flag(i, 2)) slice.repeated.push_back(rows.uuid(i, 0));
  }
}

Result<std::vector<Undelivered>> undelivered(PgSession& session, const std::string& sql,
                                             const std::vector<PgValue>& values = {}) {
  auto rows = session.run(sql, values);
  if (!rows) return rows.error();
  std::vector<Undelivered> out;
  for (int i = 0; i < rows->size(); i++) out.push_back({rows->text(i, 0), rows->number(i, 1)});
  return out;
}

}  // namespace

Result<int64_t> count_in_review(PgSession& session, WallTime submitted_before) {
  return count_of(session, "select count(*) from message where listed = 2 and submitted_at < $1", submitted_before);
}

Result<int64_t> count_stuck(PgSession& session, WallTime due_before) {
  return count_of(session,
                  std::string(kDueLanes) +
                      "select coalesce(sum(x.n), 0)::bigint from l cross join lateral (select count(*) n from (select "
                      "from due d where " +
                      kDueInLane + "and d.due_at < $1 limit 1000) s) x",
                  due_before);
}

Result<int64_t> count_in_doubt(PgSession& session, WallTime since_before) {
  return count_of(session, "select count(*) from message where listed = 10 and updated_at < $1", since_before);
}

Result<int64_t> count_refused_log_ins(PgSession& session, WallTime since) {
  auto rows =
      session.run("select count(*) from audit.entry where action = 'login_refused' and event_id >= $1 and at >= $2",
                  {Uuid::lowest_at(since), since});
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

Result<std::vector<MinuteOfAttempts>> count_attempts(PgSession& session, WallTime since, int entries_max) {
  auto rows = session.run(
      "select date_trunc('minute', at, 'UTC'), count(*), count(*) filter (where action = 'delivery_failed') "
      "from (select at, action from audit.entry where event_id >= $1 order by event_id desc limit $3) e "
      "where at >= $2 and action in ('sent', 'delivery_failed', 'delivery_in_doubt') group by 1 order by 1",
      {Uuid::lowest_at(since), since, entries_max});
  if (!rows) return rows.error();
  std::vector<MinuteOfAttempts> out;
  for (int i = 0; i < rows->size(); i++) out.push_back({rows->time(i, 0), rows->number(i, 1), rows->number(i, 2)});
  return out;
}

Result<std::vector<Uuid>> unreviewed_break_glass(PgSession& session) {
  auto rows = session.run("select id from break_glass where reviewed_at is null order by id");
  if (!rows) return rows.error();
  std::vector<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->uuid(i, 0));
  return out;
}

Result<Slice> look_at_messages(PgSession& session, const Uuid& after, int count_max) {
  auto last = session.run("select id from message where id > $1 order by id offset $2 limit 1",
                          {after, static_cast<int32_t>(count_max - 1)});
  if (!last) return last.error();
  Slice out;
  if (last->size() > 0) out.last = last->uuid(0, 0);
  Uuid high = out.last;
  if (high.is_nil()) high.bytes.fill(0xff);
  auto rows = session.run(std::string("select * from (") + kFaults +
                              "where m.id > $1 and m.id <= $2) x(id, is_lost, is_repeated) "
                              "where is_lost or is_repeated limit 1000",
                          {after, high});
  if (!rows) return rows.error();
  sort_out(*rows, out);
  return out;
}

Result<Slice> look_at_messages(PgSession& session, const std::vector<Uuid>& ids) {
  if (ids.empty()) return Slice{};
  const auto [low, high] = std::minmax_element(ids.begin(), ids.end());
  auto rows = session.run(std::string(kFaults) + "where m.id = any ($3)", {*low, *high, PgValue::uuids(ids)});
  if (!rows) return rows.error();
  Slice out;
  sort_out(*rows, out);
  return out;
}

Result<std::vector<Undelivered>> undelivered_reports(PgSession& session) {
  return undelivered(
      session,
      "select s.name, 1::bigint from report_schedule s cross join lateral (select r.state, r.message_id from "
      "report_run r where r.schedule_id = s.id and r.state <> 'waiting' order by r.period_to desc limit 1) r "
      "left join message m on m.id = r.message_id where s.ended_at is null and "
      "(r.state = 'failed' or m.status in (8, 9, 11)) order by s.name");
}

Result<std::vector<Undelivered>> undelivered_notices(PgSession& session, WallTime since) {
  return undelivered(
      session,
      "select r.receiver, 1::bigint from (select distinct receiver from alert_notice where made_at >= $1) r cross join "
      "lateral (select "
      "n.failure, m.status from alert_notice n left join message m on m.id = n.message_id where "
      "n.receiver = r.receiver and n.due_at is null and (m.id is null or m.status in (5, 6, 8, 9, 11)) "
      "order by n.id desc limit 1) n where n.failure <> '' or n.status in (8, 9, 11) order by r.receiver",
      {since});
}

}  // namespace signet
