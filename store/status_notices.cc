#include "store/status_notices.h"

#include <algorithm>

namespace signet {
namespace {

constexpr char kColumns[] = "n.id, n.service, n.seq, n.event_id, n.message_id, n.due_at, n.tries, n.failure, n.made_at";

std::vector<StatusNotice> all_of(const PgRows& rows) {
  std::vector<StatusNotice> out;
  for (int i = 0; i < rows.size(); i++)
    out.push_back({rows.uuid(i, 0), rows.text(i, 1), rows.number(i, 2), rows.uuid(i, 3), rows.uuid(i, 4),
                   rows.optional_time(i, 5), static_cast<int>(rows.number(i, 6)), rows.text(i, 7), rows.time(i, 8)});
  return out;
}

Result<std::vector<StatusNotice>> notices(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return all_of(*rows);
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<int64_t> lock_status_cursor(PgTransaction& tx, const std::string& service) {
  auto made = tx.run(
      "insert into status_cursor (service, seq) select $1, coalesce((select size from audit.cursor), 0) "
      "on conflict do nothing",
      {service});
  if (!made) return made.error();
  auto rows = tx.run("select seq from status_cursor where service = $1 for update", {service});
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

Result<void> move_status_cursor(PgTransaction& tx, const std::string& service, int64_t seq) {
  return done(tx.run("update status_cursor set seq = $2 where service = $1", {service, seq}));
}

Result<StatusSlice> read_status_slice(PgTransaction& tx, const std::string& service, int64_t from, int count_max) {
  auto places = tx.run("select seq, event_id from audit.log where seq >= $1 order by seq limit $2",
                       {from, static_cast<int32_t>(count_max)});
  if (!places) return places.error();
  StatusSlice out;
  out.next = from;
  if (places->size() == 0) return out;
  out.has_more = places->size() == count_max;
  out.next = places->number(places->size() - 1, 0) + 1;
  Uuid low = places->uuid(0, 1), high = low;
  for (int i = 1; i < places->size(); i++) {
    low = std::min(low, places->uuid(i, 1));
    high = std::max(high, places->uuid(i, 1));
  }
  // Bounds beside the join, so that other months' partitions are put aside. A failed attempt after which another is due
  // is no news: the message stays queued.
  auto rows = tx.run(
      "select l.seq, e.event_id, m.id from audit.log l "
      "cross join lateral (select * from audit.entry where entry.event_id = l.event_id and entry.event_id between $3 "
      "and $4 offset 0) e join message m on m.id = e.object_id join users u on u.id = m.author_id "
      "where l.seq between $1 and $2 and u.name = $5 and u.role = 6 and e.action = any (array['reviewed', 'queued', "
      "'sent', 'delivery_confirmed', 'delivery_failed', 'delivery_in_doubt', 'suppressed', 'expired', 'cancelled', "
      "'resolve', 'requeue']) and not (e.action = 'delivery_failed' and e.status = 4) order by l.seq",
      {from, out.next - 1, low, high, service});
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++) {
    StatusNotice notice;
    notice.service = service;
    notice.seq = rows->number(i, 0);
    notice.event_id = rows->uuid(i, 1);
    notice.message_id = rows->uuid(i, 2);
    out.found.push_back(std::move(notice));
  }
  return out;
}

Result<void> insert_status_notice(PgTransaction& tx, const StatusNotice& n) {
  return done(
      tx.run("insert into status_notice (id, service, seq, event_id, message_id, due_at) values ($1, $2, $3, $4, $5, "
             "now()) on conflict (service, seq) do nothing",
             {n.id, n.service, n.seq, n.event_id, n.message_id}));
}

Result<std::vector<StatusNotice>> claim_status_notices(PgTransaction& tx, const std::string& service, int count_max,
                                                       int64_t lease_ms) {
  return notices(
      tx.run(std::string("with d as materialized (select id from status_notice where service = $1 and due_at <= now() "
                         "order by due_at, seq limit $2 for update skip locked), c as (update status_notice n set "
                         "due_at = now() + $3 * interval '1 millisecond' from d where n.id = d.id returning ") +
                 kColumns + ") select * from c order by seq",
             {service, static_cast<int32_t>(count_max), lease_ms}));
}

Result<std::optional<StatusContent>> read_status_content(PgTransaction& tx, const StatusNotice& n) {
  auto rows =
      tx.run("select e.canon, m.client_reference from audit.entry e, message m where e.event_id = $1 and m.id = $2",
             {n.event_id, n.message_id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<StatusContent>();
  StatusContent out{rows->text(0, 0), std::nullopt};
  if (!rows->is_null(0, 1)) out.client_reference = rows->text(0, 1);
  return std::optional(std::move(out));
}

Result<void> drop_status_notice(PgTransaction& tx, const Uuid& id) {
  return done(tx.run("delete from status_notice where id = $1", {id}));
}

Result<void> note_status_failure(PgTransaction& tx, const Uuid& id, const std::string& failure,
                                 const std::optional<int64_t>& delay_ms) {
  return done(
      tx.run("update status_notice set tries = tries + 1, failure = $2, due_at = now() + $3::bigint * "
             "interval '1 millisecond' where id = $1",
             {id, failure, PgValue(delay_ms)}));
}

Result<void> forget_dead_notices(PgTransaction& tx, int days) {
  return done(tx.run("delete from status_notice where due_at is null and made_at < now() - $1 * interval '1 day'",
                     {static_cast<int32_t>(days)}));
}

Result<std::vector<StatusBacklog>> read_status_backlogs(PgTransaction& tx) {
  auto rows = tx.run(
      "select c.service, count(n.id) filter (where n.due_at is not null), count(n.id) filter (where n.due_at is null), "
      "greatest(coalesce((select size from audit.cursor), 0) - c.seq, 0) from status_cursor c left join status_notice "
      "n "
      "on n.service = c.service group by c.service, c.seq order by c.service");
  if (!rows) return rows.error();
  std::vector<StatusBacklog> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->text(i, 0), rows->number(i, 1), rows->number(i, 2), rows->number(i, 3)});
  return out;
}

Result<std::vector<StatusNotice>> list_status_notices(PgTransaction& tx, bool is_dead,
                                                      const std::optional<std::string>& service,
                                                      const std::optional<Uuid>& before, int count_max) {
  return notices(tx.run(std::string("select ") + kColumns + " from status_notice n where n.due_at is " +
                            (is_dead ? "null" : "not null") +
                            " and ($1::text is null or n.service = $1) and ($2::uuid is null or n.id < $2) "
                            "order by n.id desc limit $3",
                        {PgValue(service), PgValue(before), static_cast<int32_t>(count_max)}));
}

Result<std::optional<StatusNotice>> lock_status_notice(PgTransaction& tx, const Uuid& id) {
  auto found =
      notices(tx.run(std::string("select ") + kColumns + " from status_notice n where n.id = $1 for update", {id}));
  if (!found) return found.error();
  return found->empty() ? std::nullopt : std::optional(std::move(found->front()));
}

Result<void> retry_status_notice(PgTransaction& tx, const Uuid& id) {
  return done(tx.run("update status_notice set due_at = now(), tries = 0, failure = '' where id = $1", {id}));
}

}  // namespace signet
