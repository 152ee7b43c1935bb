#include "store/alerts.h"

namespace signet {
namespace {

constexpr char kColumns[] =
    "select id, rule, subject, count, first_at, last_at, notices, notified_at, acknowledged_by, acknowledged_at, "
    "resolved_at from alert ";
// As AlertState counts them.
constexpr char kRank[] =
    "(case when resolved_at is not null then 2 when acknowledged_at is not null then 1 else 0 end)";

AlertRow row_of(const PgRows& rows, int i) {
  AlertRow a;
  a.id = rows.uuid(i, 0);
  a.rule = rows.text(i, 1);
  a.subject = rows.text(i, 2);
  a.count = rows.number(i, 3);
  a.first_at = rows.time(i, 4);
  a.last_at = rows.time(i, 5);
  a.notices = static_cast<int>(rows.number(i, 6));
  a.notified_at = rows.optional_time(i, 7);
  if (!rows.is_null(i, 8)) a.acknowledged_by = rows.uuid(i, 8);
  a.acknowledged_at = rows.optional_time(i, 9);
  a.resolved_at = rows.optional_time(i, 10);
  return a;
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

Result<std::vector<AlertRow>> all_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::vector<AlertRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(row_of(*rows, i));
  return out;
}

Result<std::optional<AlertRow>> one_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<AlertRow>();
  return std::optional(row_of(*rows, 0));
}

}  // namespace

std::string_view name(AlertState state) {
  return state == AlertState::open ? "open" : state == AlertState::acknowledged ? "acknowledged" : "resolved";
}

std::optional<AlertState> parse_alert_state(std::string_view text) {
  for (const auto state : {AlertState::open, AlertState::acknowledged, AlertState::resolved})
    if (text == name(state)) return state;
  return std::nullopt;
}

AlertState state_of(const AlertRow& alert) {
  return alert.resolved_at ? AlertState::resolved : alert.acknowledged_at ? AlertState::acknowledged : AlertState::open;
}

Result<void> insert_alert(PgTransaction& tx, const AlertRow& a) {
  return done(tx.run("insert into alert (id, rule, subject, count, first_at, last_at) values ($1, $2, $3, $4, $5, $6)",
                     {a.id, a.rule, a.subject, a.count, a.first_at, a.last_at}));
}

Result<std::vector<AlertRow>> unresolved_alerts(PgTransaction& tx) {
  return all_of(tx.run(std::string(kColumns) + "where resolved_at is null order by id for update"));
}

Result<void> touch_alert(PgTransaction& tx, const Uuid& id, int64_t count, WallTime now) {
  return done(tx.run("update alert set count = $2, last_at = $3 where id = $1", {id, count, now}));
}

Result<void> resolve_alert(PgTransaction& tx, const Uuid& id, WallTime now) {
  return done(tx.run("update alert set resolved_at = $2 where id = $1", {id, now}));
}

Result<void> note_round(PgTransaction& tx, const Uuid& id, WallTime now) {
  return done(tx.run("update alert set notified_at = $2, notices = notices + 1 where id = $1", {id, now}));
}

Result<std::optional<AlertRow>> lock_alert(PgTransaction& tx, const Uuid& id) {
  return one_of(tx.run(std::string(kColumns) + "where id = $1 for update", {id}));
}

Result<std::optional<AlertRow>> read_alert(PgTransaction& tx, const Uuid& id) {
  return one_of(tx.run(std::string(kColumns) + "where id = $1", {id}));
}

Result<void> acknowledge_alert(PgTransaction& tx, const Uuid& id, const Uuid& user_id, WallTime now) {
  return done(tx.run("update alert set acknowledged_by = $2, acknowledged_at = $3 where id = $1", {id, user_id, now}));
}

Result<std::vector<AlertRow>> list_alerts(PgTransaction& tx, const std::optional<AlertState>& state,
                                          const std::optional<Uuid>& after, int count_max) {
  const PgValue wanted = state ? PgValue(static_cast<int32_t>(*state)) : PgValue::null();
  const std::string rank = kRank;
  return all_of(tx.run(std::string(kColumns) + "where ($1::int is null or " + rank +
                           " = $1) and ($2::uuid is null or " + "exists (select from (select id as last, " + rank +
                           " as last_rank from alert where id = $2) x where last_rank < " + rank +
                           " or last_rank = " + rank + " and id < last)) order by " + rank + ", id desc limit $3",
                       {wanted, PgValue(after), static_cast<int32_t>(count_max)}));
}

Result<void> insert_notice(PgTransaction& tx, const AlertNotice& n) {
  return done(
      tx.run("insert into alert_notice (id, alert_id, receiver, made_at, due_at, tries, failure, message_id) "
             "values ($1, $2, $3, $4, $5, $6, $7, $8)",
             {n.id, n.alert_id, n.receiver, n.made_at, PgValue(n.due_at), static_cast<int32_t>(n.tries), n.failure,
              PgValue(n.message_id)}));
}

Result<std::vector<AlertNotice>> due_notices(PgTransaction& tx, WallTime now, int count_max) {
  auto rows = tx.run(
      "select id, alert_id, receiver, made_at, due_at, tries, failure from alert_notice where due_at <= $1 "
      "order by due_at limit $2",
      {now, static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<AlertNotice> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->uuid(i, 0), rows->uuid(i, 1), rows->text(i, 2), rows->time(i, 3), rows->optional_time(i, 4),
                   static_cast<int>(rows->number(i, 5)), rows->text(i, 6), std::nullopt});
  return out;
}

Result<void> update_notice(PgTransaction& tx, const AlertNotice& n) {
  return done(tx.run("update alert_notice set due_at = $2, tries = $3, failure = $4, message_id = $5 where id = $1",
                     {n.id, PgValue(n.due_at), static_cast<int32_t>(n.tries), n.failure, PgValue(n.message_id)}));
}

}  // namespace signet
