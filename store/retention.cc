#include "store/retention.h"

#include "store/messages.h"

namespace signet {
namespace {

// A year is not shorter: what was made this long ago is all that the policy can be about.
constexpr int64_t kYearUsMin = int64_t{365} * 86'400'000'000;
constexpr char kLastId[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";

// $1 years, $2 now; m and r. 3 approved (filed), 6 delivered, 7 rejected, 8 failed, 9 cancelled, 11 suppressed.
constexpr char kIsDue[] =
    "m.status in (3, 6, 7, 8, 9, 11) and r.held_at is null and r.erased_at is null and not exists (select from due d "
    "where d.message_id = m.id) and coalesce(r.retain_until, m.updated_at + make_interval(years => $1)) <= $2 ";

WallTime cut_of(const RetentionTerm& term) { return {term.now.us - term.years * kYearUsMin}; }

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<Retention> read_retention(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(
      "select retain_until, held_at, held_by, coalesce(hold_reason, ''), erased_at from retention where message_id = "
      "$1",
      {id});
  if (!rows) return rows.error();
  Retention out;
  if (rows->size() == 0) return out;
  out.retain_until = rows->optional_time(0, 0);
  out.held_at = rows->optional_time(0, 1);
  if (!rows->is_null(0, 2)) out.held_by = rows->uuid(0, 2);
  out.hold_reason = rows->text(0, 3);
  out.erased_at = rows->optional_time(0, 4);
  return out;
}

Result<void> write_retain_until(PgTransaction& tx, const Uuid& id, std::optional<WallTime> until) {
  return done(
      tx.run("insert into retention (message_id, retain_until) values ($1, $2) on conflict (message_id) do update set "
             "retain_until = excluded.retain_until",
             {id, PgValue(until)}));
}

Result<void> set_legal_hold(PgTransaction& tx, const Uuid& id, const Uuid& user_id, WallTime at,
                            const std::string& reason) {
  return done(
      tx.run("insert into retention (message_id, held_at, held_by, hold_reason) values ($1, $2, $3, $4) "
             "on conflict (message_id) do update set held_at = excluded.held_at, held_by = excluded.held_by, "
             "hold_reason = excluded.hold_reason",
             {id, at, user_id, reason}));
}

Result<void> end_legal_hold(PgTransaction& tx, const Uuid& id) {
  return done(
      tx.run("update retention set held_at = null, held_by = null, hold_reason = null where message_id = $1", {id}));
}

Result<void> append_event(PgTransaction& tx, const Uuid& id, const Head& before, const Entry& entry) {
  auto rows = tx.run("update message set event_n = event_n + 1, event_leaf = $3 where id = $1 and event_leaf = $2",
                     {id, PgValue::octets(view(before.leaf)), PgValue::octets(view(entry.leaf))});
  if (!rows) return rows.error();
  if (rows->affected() != 1) return Error{ErrorCode::conflict, "the message was changed by somebody else meanwhile"};
  return insert_entry(tx, entry);
}

Result<std::vector<std::pair<Status, int64_t>>> count_due(PgTransaction& tx, const RetentionTerm& term) {
  auto rows = tx.run(std::string("select m.status, count(*) from (select message_id from content where message_id < $3 "
                                 "union select message_id from retention where retain_until is not null and erased_at "
                                 "is null) c join message m on m.id = c.message_id "
                                 "left join retention r on r.message_id = m.id where ") +
                         kIsDue + "group by 1 order by 1",
                     {static_cast<int32_t>(term.years), term.now, Uuid::lowest_at(cut_of(term))});
  if (!rows) return rows.error();
  std::vector<std::pair<Status, int64_t>> out;
  for (int i = 0; i < rows->size(); i++) out.emplace_back(static_cast<Status>(rows->number(i, 0)), rows->number(i, 1));
  return out;
}

Result<DueBatch> lock_due(PgTransaction& tx, const RetentionTerm& term, RetentionBy by, const Uuid& after,
                          int count_max) {
  // Erased messages have no content: a purge reads what is old and still there, along the key of that.
  const bool is_policy = by == RetentionBy::policy;
  const Uuid end = is_policy ? Uuid::lowest_at(cut_of(term)) : *parse_uuid(kLastId);
  const std::string what = is_policy ? "content c left join retention r on r.message_id = c.message_id "
                                     : "retention c join retention r on r.message_id = c.message_id ";
  auto locked =
      tx.run("select m.id from " + what + "join message m on m.id = c.message_id where c.message_id > $3 and " +
                 "c.message_id < $5 and r.retain_until is " + (is_policy ? "" : "not ") + "null and " + kIsDue +
                 "order by c.message_id limit $4 for no key update of m skip locked",
             {static_cast<int32_t>(term.years), term.now, after, static_cast<int32_t>(count_max), end});
  if (!locked) return locked.error();
  DueBatch out;
  std::vector<Uuid> ids;
  for (int i = 0; i < locked->size(); i++) ids.push_back(locked->uuid(i, 0));
  if (ids.empty()) return out;
  out.last = ids.back();
  // A hold that was set while the rows were waited for is seen now and not before.
  auto rows = tx.run(std::string("select m.id, m.status, m.event_n, m.event_leaf, r.retain_until is not null from "
                                 "message m left join retention r on r.message_id = m.id where m.id = any($3) and ") +
                         kIsDue + "order by m.id",
                     {static_cast<int32_t>(term.years), term.now, PgValue::uuids(ids)});
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++)
    out.due.push_back({rows->uuid(i, 0),
                       static_cast<Status>(rows->number(i, 1)),
                       {rows->number(i, 2), digest_from(rows->octets(i, 3))},
                       rows->flag(i, 4)});
  return out;
}

Result<void> erase_content(PgTransaction& tx, const std::vector<Uuid>& ids, WallTime now) {
  for (const char* sql :
       {"delete from data_key where message_id = any($1)", "delete from content where message_id = any($1)",
        "delete from approval_statement where message_id = any($1)",
        "update message_facts set content_key = null where message_id = any($1)"})
    if (auto erased = tx.run(sql, {PgValue::uuids(ids)}); !erased) return erased.error();
  return done(
      tx.run("insert into retention (message_id, erased_at) select id, $2 from unnest($1::uuid[]) id "
             "on conflict (message_id) do update set erased_at = excluded.erased_at",
             {PgValue::uuids(ids), now}));
}

Result<int64_t> erase_day_keys(PgTransaction& tx, const RetentionTerm& term) {
  auto rows = tx.run(
      "delete from day_key d where d.day < ($2 - make_interval(years => $1))::date and not exists (select from "
      "retention "
      "r join confirmation f using (message_id) join callback c on c.id = f.callback_id where r.held_at is not null "
      "and "
      "c.sealed_by = d.day::text)",
      {static_cast<int32_t>(term.years), term.now});
  if (!rows) return rows.error();
  return rows->affected();
}

Result<RetentionTotals> read_retention_totals(PgTransaction& tx) {
  auto rows = tx.run(
      "select (select count(*) from retention where held_at is not null), "
      "(select count(*) from retention where erased_at is not null), p.purged_at, coalesce(p.purged_messages, 0) "
      "from (values (1)) one left join retention_policy p on true");
  if (!rows) return rows.error();
  return RetentionTotals{rows->number(0, 0), rows->number(0, 1), rows->optional_time(0, 2), rows->number(0, 3)};
}

Result<std::optional<WallTime>> last_purge(PgTransaction& tx) {
  auto totals = tx.run("select purged_at from retention_policy");
  if (!totals) return totals.error();
  if (totals->size() == 0) return std::optional<WallTime>();
  return totals->optional_time(0, 0);
}

Result<std::optional<int>> recorded_years(PgTransaction& tx) {
  auto rows = tx.run("select years from retention_policy");
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<int>();
  return std::optional(static_cast<int>(rows->number(0, 0)));
}

Result<std::optional<int>> record_policy(PgTransaction& tx, int years) {
  auto before = recorded_years(tx);  // one daemon of all writes it
  if (!before) return before;
  auto kept = tx.run("insert into retention_policy (years) values ($1) on conflict (is_only) do update set years = $1",
                     {static_cast<int32_t>(years)});
  if (!kept) return kept.error();
  return before;
}

Result<void> record_purge(PgTransaction& tx, int years, WallTime at, int64_t messages) {
  return done(
      tx.run("insert into retention_policy (years, purged_at, purged_messages) values ($1, $2, $3) on conflict "
             "(is_only) do update set purged_at = excluded.purged_at, purged_messages = excluded.purged_messages",
             {static_cast<int32_t>(years), at, messages}));
}

}  // namespace signet
