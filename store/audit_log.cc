#include "store/audit_log.h"

#include <algorithm>

#include "store/pg_array.h"

namespace signet {
namespace {

// Plans that go by the indexes, whatever the planner believes about tables that are empty at first.
constexpr char kSettings[] =
    "set idle_session_timeout = '10s'; set idle_in_transaction_session_timeout = '5s'; set enable_seqscan = off; "
    "set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off";

// Entries of the cluster that this database was dumped from have numbers that say nothing here: whether one has its
// place is looked up.
constexpr char kHasNoPlace[] =
    "(e.xact > $1::text::xid8 or not exists (select from audit.log l where l.event_id = e.event_id))";

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

// $1 foreign xact, $2 and $3 the place to go on from, $4 the first seq, $5 how many.
Result<Sequenced> take(PgTransaction& tx, const LogCursor& cursor, const LogCursor& from, const std::string& horizon,
                       int count_max) {
  auto rows = tx.run(
      "with b as materialized (select xact, event_id, leaf, row_number() over (order by xact, event_id) - 1 as i from ("
      "select e.xact, e.event_id, e.leaf from audit.entry e where (e.xact, e.event_id) > ($2::text::xid8, $3) and " +
          horizon + " and " + kHasNoPlace +
          " order by e.xact, e.event_id limit $5) x), "
          "w as (insert into audit.log (seq, event_id, leaf) select $4 + i, event_id, leaf from b order by i) "
          "select leaf, case when i = (select max(i) from b) then xact::text end, event_id from b order by i",
      {cursor.foreign_xact, from.xact, from.event_id, cursor.size, static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  Sequenced out{{}, cursor};
  out.leaves.reserve(static_cast<size_t>(rows->size()));
  for (int i = 0; i < rows->size(); i++) out.leaves.push_back(digest_from(rows->octets(i, 0)));
  out.cursor.xact = from.xact;
  out.cursor.event_id = from.event_id;
  if (rows->size() > 0) {
    out.cursor.xact = rows->text(rows->size() - 1, 1);
    out.cursor.event_id = rows->uuid(rows->size() - 1, 2);
  }
  out.cursor.size += rows->size();
  return out;
}

constexpr char kFaultColumns[] =
    "select f.id, f.level, f.what, f.seq, f.event_id, f.at, f.relation, f.row_key, a.fault_id is not null from "
    "audit.fault f left join audit.acknowledgement a on a.fault_id = f.id ";

constexpr char kCheckpointColumns[] = "select size, root, note, previous from audit.checkpoint ";

CheckpointRow checkpoint_of(const PgRows& rows, int i) {
  CheckpointRow row{rows.number(i, 0), digest_from(rows.octets(i, 1)), rows.text(i, 2)};
  if (!rows.is_null(i, 3)) row.previous = rows.number(i, 3);
  return row;
}

template <class Asked>
Result<std::optional<CheckpointRow>> newest(Asked& asked) {
  auto rows = asked.run(std::string(kCheckpointColumns) + "order by size desc limit 1");
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<CheckpointRow>();
  return std::optional(checkpoint_of(*rows, 0));
}

}  // namespace

Result<bool> take_place(PgSession& session, Elected place) {
  auto set = session.script(kSettings);
  if (!set) return set.error();
  auto rows = session.run("select pg_try_advisory_lock($1)", {static_cast<int64_t>(place)});
  if (!rows) return rows.error();
  return rows->flag(0, 0);
}

Result<Backlog> read_backlog(PgSession& session) {
  auto rows = session.run(
      "select c.size, coalesce((extract(epoch from clock_timestamp() - w.created_at) * 1000)::bigint, 0), "
      "w.created_at is not null or c.is_rescan or c.xact >= pg_snapshot_xmax(pg_current_snapshot()) from audit.cursor "
      "c left join lateral (select e.created_at from audit.entry e where "
      "(e.xact, e.event_id) > (c.xact, c.event_id) and e.xact < pg_snapshot_xmax(pg_current_snapshot()) and "
      "(e.xact > c.foreign_xact or not exists (select from audit.log l where l.event_id = e.event_id)) "
      "order by e.xact, e.event_id limit 1) w on true");
  if (!rows) return rows.error();
  if (rows->size() == 0) return Backlog{0, 0, true};  // nothing was ever sequenced
  return Backlog{rows->number(0, 0), std::max<int64_t>(0, rows->number(0, 1)), rows->flag(0, 2)};
}

Result<LogCursor> lock_cursor(PgTransaction& tx) {
  auto made = tx.run("insert into audit.cursor default values on conflict do nothing");
  if (!made) return made.error();
  auto rows = tx.run(
      "select xact::text, event_id, size, foreign_xact::text, is_rescan, "
      "xact >= pg_snapshot_xmax(pg_current_snapshot()) from audit.cursor for update");
  if (!rows) return rows.error();
  return LogCursor{rows->text(0, 0), rows->uuid(0, 1), rows->number(0, 2),
                   rows->text(0, 3), rows->flag(0, 4), rows->flag(0, 5)};
}

Result<Sequenced> sequence(PgTransaction& tx, const LogCursor& cursor, int count_max) {
  auto taken = take(tx, cursor, cursor, "e.xact < pg_snapshot_xmin(pg_current_snapshot())", count_max);
  if (!taken || taken->leaves.empty()) return taken;
  auto moved = tx.run("update audit.cursor set xact = $1::text::xid8, event_id = $2, size = $3",
                      {taken->cursor.xact, taken->cursor.event_id, taken->cursor.size});
  if (!moved) return moved.error();
  return taken;
}

Result<std::string> begin_rescan(PgTransaction& tx) {
  auto rows = tx.run(
      "update audit.cursor set is_rescan = true, xact = '0', event_id = '00000000-0000-0000-0000-000000000000', "
      "foreign_xact = greatest(xact, foreign_xact, (select xact from audit.entry order by xact desc, event_id desc "
      "limit 1)) returning (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text");
  if (!rows) return rows.error();
  return rows->text(0, 0);
}

Result<Sequenced> rescan(PgTransaction& tx, const LogCursor& cursor, const LogCursor& from, int count_max) {
  auto taken = take(tx, cursor, from,
                    "(e.xact < pg_snapshot_xmin(pg_current_snapshot()) or "
                    "e.xact >= pg_snapshot_xmax(pg_current_snapshot()))",
                    count_max);
  if (!taken) return taken;
  auto moved = tx.run("update audit.cursor set size = $1", {taken->cursor.size});
  if (!moved) return moved.error();
  return taken;
}

Result<void> end_rescan(PgTransaction& tx, const std::string& xact) {
  return done(tx.run("update audit.cursor set is_rescan = false, xact = $1::text::xid8", {xact}));
}

Result<void> insert_tile(PgTransaction& tx, int level, int64_t index, std::string_view hashes) {
  return done(tx.run("insert into audit.tile (level, idx, hashes) values ($1, $2, $3)",
                     {static_cast<int32_t>(level), index, PgValue::octets(hashes)}));
}

Result<void> insert_checkpoint(PgTransaction& tx, int64_t size, const Digest& root, const std::string& note) {
  return done(
      tx.run("insert into audit.checkpoint (size, root, note, previous) values ($1, $2, $3, "
             "(select max(size) from audit.checkpoint))",
             {size, PgValue::octets(view(root)), note}));
}

Result<std::vector<Digest>> read_leaves(PgSession& session, int64_t from, int64_t count) {
  auto rows =
      session.run("select seq, leaf from audit.log where seq >= $1 and seq < $1 + $2 order by seq", {from, count});
  if (!rows) return rows.error();
  std::vector<Digest> out;
  for (int i = 0; i < rows->size(); i++) {
    if (rows->number(i, 0) != from + i) break;  // a gap: what follows has no place
    out.push_back(digest_from(rows->octets(i, 1)));
  }
  return out;
}

Result<std::optional<std::string>> read_tile(PgSession& session, int level, int64_t index) {
  auto rows =
      session.run("select hashes from audit.tile where level = $1 and idx = $2", {static_cast<int32_t>(level), index});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<std::string>();
  return std::optional(rows->text(0, 0));
}

Result<std::optional<CheckpointRow>> newest_checkpoint(PgSession& session) { return newest(session); }
Result<std::optional<CheckpointRow>> newest_checkpoint(PgTransaction& tx) { return newest(tx); }

Result<std::optional<int64_t>> checkpoint_at_most(PgSession& session, int64_t size) {
  auto rows = session.run("select max(size) from audit.checkpoint where size <= $1", {size});
  if (!rows) return rows.error();
  return rows->is_null(0, 0) ? std::optional<int64_t>() : std::optional(rows->number(0, 0));
}

Result<std::vector<CheckpointRow>> read_checkpoints(PgSession& session, int64_t from, int64_t to) {
  auto rows = session.run(std::string(kCheckpointColumns) + "where size > $1 and size <= $2 order by size", {from, to});
  if (!rows) return rows.error();
  std::vector<CheckpointRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(checkpoint_of(*rows, i));
  return out;
}

Result<std::vector<std::pair<int64_t, std::string>>> read_tiles(PgSession& session, int level, int64_t from,
                                                                int64_t to) {
  auto rows = session.run("select idx, hashes from audit.tile where level = $1 and idx >= $2 and idx < $3 order by idx",
                          {static_cast<int32_t>(level), from, to});
  if (!rows) return rows.error();
  std::vector<std::pair<int64_t, std::string>> out;
  for (int i = 0; i < rows->size(); i++) out.emplace_back(rows->number(i, 0), rows->text(i, 1));
  return out;
}

Result<Surplus> read_surplus(PgSession& session, int64_t size, int count_max) {
  Surplus out;
  const auto most = static_cast<int32_t>(count_max);
  auto places = session.run("select seq from audit.log where seq < 0 or seq >= $1 order by seq limit $2", {size, most});
  if (!places) return places.error();
  for (int i = 0; i < places->size(); i++) out.places.push_back(places->number(i, 0));
  auto tiles = session.run(
      "select level, idx from audit.tile where level not between 0 and 7 or idx < 0 or "
      "(idx + 1) * power(256::numeric, level + 1) > $1::bigint order by 1, 2 limit $2",
      {size, most});
  if (!tiles) return tiles.error();
  for (int i = 0; i < tiles->size(); i++)
    out.tiles.emplace_back(static_cast<int>(tiles->number(i, 0)), tiles->number(i, 1));
  // Each entry has its place or waits past the cursor. Counting is cheap; only where the sum is wrong they are looked
  // up one by one.
  constexpr char kWaits[] =
      "(e.xact, e.event_id) > (c.xact, c.event_id) and (e.xact > c.foreign_xact or not exists (select from audit.log l "
      "where l.event_id = e.event_id))";
  auto count = session.run(std::string("select (select count(*) from audit.entry) - (select count(*) from audit.log) - "
                                       "(select count(*) from audit.entry e, audit.cursor c where ") +
                           kWaits + "), coalesce((select is_rescan from audit.cursor), true)");
  if (!count) return count.error();
  if (count->number(0, 0) == 0 || count->flag(0, 1)) return out;
  auto entries =
      session.run(std::string("select e.event_id from audit.entry e, audit.cursor c where not exists (select "
                              "from audit.log l where l.event_id = e.event_id) and not (") +
                      kWaits + ") order by 1 limit $1",
                  {most});
  if (!entries) return entries.error();
  for (int i = 0; i < entries->size(); i++) out.entries.push_back(entries->uuid(i, 0));
  return out;
}

// Places first: the lowest and highest id of their events put the other months aside when the entries are asked for.
Result<std::vector<LogRow>> read_log(PgSession& session, int64_t from, int count_max) {
  auto places = session.run("select seq, leaf, event_id from audit.log where seq >= $1 order by seq limit $2",
                            {from, static_cast<int32_t>(count_max)});
  if (!places) return places.error();
  std::vector<LogRow> out(static_cast<size_t>(places->size()));
  if (out.empty()) return out;
  std::vector<Uuid> ids;
  for (int i = 0; i < places->size(); i++) {
    LogRow& row = out[static_cast<size_t>(i)];
    row.seq = places->number(i, 0);
    row.leaf = digest_from(places->octets(i, 1));
    row.entry.event_id = places->uuid(i, 2);
    ids.push_back(row.entry.event_id);
  }
  const auto [lowest, highest] = std::minmax_element(ids.begin(), ids.end());
  auto rows = session.run(
      "select u.i, e.canon, e.leaf, e.object_id, e.action, e.actor_id, e.status, e.provider, e.at from "
      "unnest($1::uuid[]) with ordinality u(id, i) cross join lateral (select * from audit.entry where "
      "entry.event_id = u.id and entry.event_id between $2 and $3 offset 0) e",
      {PgValue::uuids(ids), *lowest, *highest});
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++) {
    LogRow& row = out[static_cast<size_t>(rows->number(i, 0) - 1)];
    row.has_entry = true;
    row.entry.canon = rows->text(i, 1);
    row.entry.leaf = digest_from(rows->octets(i, 2));
    if (!rows->is_null(i, 3)) row.entry.object_id = rows->uuid(i, 3);
    row.entry.action = rows->text(i, 4);
    if (!rows->is_null(i, 5)) row.entry.actor_id = rows->uuid(i, 5);
    if (!rows->is_null(i, 6)) row.entry.status = static_cast<int>(rows->number(i, 6));
    row.entry.provider = rows->text(i, 7);
    row.entry.at = rows->time(i, 8);
  }
  return out;
}

Result<std::vector<ObjectEntry>> read_object_entries(PgSession& session, const std::vector<Uuid>& objects) {
  auto rows = session.run(
      "select e.object_id, e.leaf, e.canon from unnest($1::uuid[]) u(id) cross join lateral "
      "(select * from audit.entry where entry.object_id = u.id offset 0) e",
      {PgValue::uuids(objects)});
  if (!rows) return rows.error();
  std::vector<ObjectEntry> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->uuid(i, 0), digest_from(rows->octets(i, 1)), rows->text(i, 2)});
  return out;
}

Result<std::vector<std::pair<Uuid, Head>>> read_heads(PgSession& session, const std::vector<Uuid>& messages) {
  auto rows = session.run(
      "select m.id, m.event_n, m.event_leaf from unnest($1::uuid[]) u(id) cross join lateral "
      "(select * from message where message.id = u.id offset 0) m",
      {PgValue::uuids(messages)});
  if (!rows) return rows.error();
  std::vector<std::pair<Uuid, Head>> out;
  for (int i = 0; i < rows->size(); i++)
    out.emplace_back(rows->uuid(i, 0), Head{rows->number(i, 1), digest_from(rows->octets(i, 2))});
  return out;
}

Result<std::vector<Verification>> read_verifications(PgSession& session) {
  auto rows = session.run("select level, size, root, at from audit.verification order by level");
  if (!rows) return rows.error();
  std::vector<Verification> out;
  for (int i = 0; i < rows->size(); i++) {
    Verification v{static_cast<int>(rows->number(i, 0)), rows->number(i, 1), std::nullopt, rows->time(i, 3)};
    if (!rows->is_null(i, 2)) v.root = digest_from(rows->octets(i, 2));
    out.push_back(v);
  }
  return out;
}

Result<void> write_verification(PgSession& session, const Verification& v) {
  return done(session.run(
      "insert into audit.verification (level, size, root, at) values ($1, $2, $3, $4) on conflict (level) do update "
      "set size = excluded.size, root = excluded.root, at = excluded.at",
      {static_cast<int32_t>(v.level), v.size, v.root ? PgValue::octets(view(*v.root)) : PgValue::null(), v.at}));
}

Result<bool> insert_fault(PgSession& session, const IntegrityFault& f) {
  auto rows = session.run(
      "insert into audit.fault (id, level, what, seq, event_id, at, relation, row_key) values ($1, $2, $3, $4, $5, "
      "$6, $7, $8) on conflict do nothing",
      {f.id, static_cast<int32_t>(f.level), f.what, PgValue(f.seq), PgValue(f.event_id), f.at, f.relation, f.row_key});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<std::vector<IntegrityFault>> read_faults(PgSession& session, int count_max) {
  auto rows = session.run(std::string(kFaultColumns) + "order by a.fault_id is not null, f.id desc limit $1",
                          {static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<IntegrityFault> out;
  for (int i = 0; i < rows->size(); i++) {
    IntegrityFault f{rows->uuid(i, 0),
                     static_cast<int>(rows->number(i, 1)),
                     rows->text(i, 2),
                     {},
                     {},
                     rows->time(i, 5),
                     "",
                     "",
                     false};
    if (!rows->is_null(i, 3)) f.seq = rows->number(i, 3);
    if (!rows->is_null(i, 4)) f.event_id = rows->uuid(i, 4);
    f.relation = rows->text(i, 6);
    f.row_key = rows->text(i, 7);
    f.is_acknowledged = rows->flag(i, 8);
    out.push_back(std::move(f));
  }
  return out;
}

Result<int64_t> count_faults(PgSession& session) {
  auto rows = session.run(
      "select count(*) from audit.fault f where not exists (select from audit.acknowledgement a where a.fault_id = "
      "f.id)");
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

Result<std::vector<std::string>> filled_default_partitions(PgSession& session) {
  auto names = session.run(
      "select c.oid::regclass::text from pg_class c join pg_inherits i on i.inhrelid = c.oid join pg_namespace n on "
      "n.oid = c.relnamespace where c.relkind = 'r' and n.nspname in ('public', 'audit') and "
      "pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT'");
  if (!names) return names.error();
  std::vector<std::string> out;
  for (int i = 0; i < names->size(); i++) {
    const std::string name = names->text(i, 0);
    auto found = session.run("select exists (select from " + name + ")");
    if (!found) return found.error();
    if (found->flag(0, 0)) out.push_back(name);
  }
  return out;
}

}  // namespace signet
