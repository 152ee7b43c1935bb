#include <algorithm>

#include "base/crash_point.h"
#include "store/due_lanes.h"
#include "store/engine_store.h"
#include "store/place.h"

namespace signet {
namespace {

constexpr int64_t kPingUs = 1'000'000;  // of the 10 s after which the server ends a session that says nothing

// A run that beat this long ago is alive: three beats and a moment.
constexpr char kIsAlive[] = "seen_at > now() - interval '7 s'";

constexpr int kDueCounted = 20'000;  // due rows; more are estimated

PgValue small(int number) { return PgValue(static_cast<int32_t>(number)); }

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

class PgEngineStore : public EngineStore {
 public:
  PgEngineStore(PgOptions postgres, const Clock& clock) : postgres_(std::move(postgres)), clock_(clock) {}

  Result<bool> lead(Elected place) override;
  void leave() override { place_.reset(); }
  Result<Pulse> beat(const std::string& instance, const std::vector<Uuid>& epochs) override;
  Result<std::vector<DueLane>> due_lanes(int64_t ahead_ms) override;
  Result<std::vector<DueRow>> scan_due(const DueLane& lane, const DueSpan& span, const std::optional<DueCursor>& after,
                                       int count_max) override;
  Result<Stamps> stamps() override;
  Result<void> record_stamps(const Stamps& stamps) override;
  Result<StaleDue> stale_due(const Uuid& after, int count_max, const std::vector<std::string>& lanes) override;
  Result<OverduePermits> overdue_permits(const Uuid& after, int count_max, int64_t age_ms, int64_t grace_ms) override;
  Result<std::vector<Doubt>> doubts(int64_t wait_ms, int count_max) override;
  Result<void> postpone_doubts(const std::vector<Postponed>& messages) override;
  Result<std::optional<std::pair<std::string, std::string>>> data_key(const Uuid& message_id) override;
  Result<bool> keep_callback(const CallbackRow& row) override;
  Result<Slice> look_at_messages(const Uuid& after, int count_max) override;
  Result<std::vector<MessageCount>> count_messages(const Uuid& after, const Uuid& last,
                                                   const std::vector<ReceiptLimit>& limits) override;
  Result<Totals> totals() override;
  Result<std::vector<CallbackRow>> take_callbacks(int count_max, int64_t lease_ms) override;
  Result<void> postpone_callbacks(const std::vector<Postponed>& callbacks) override;
  Result<void> end_callback(const Uuid& id) override;
  Result<std::map<Reference, std::pair<Uuid, int>>> find_references(const std::vector<Reference>& references) override;
  Result<std::vector<Changed>> change(const std::vector<Uuid>& ids, const Decide& decide) override;

 private:
  // The one that holds the place, while there is one: never another in its stead.
  Result<PgSession*> session() {
    if (place_ && place_->is_held()) return &place_->session();
    if (!session_ || !session_->is_usable()) {
      auto opened = PgSession::open(postgres_);
      if (!opened) return opened.error();
      session_ = std::move(*opened);
    }
    return session_.get();
  }
  Result<PgRows> run(const std::string& sql, const std::vector<PgValue>& values = {}) {
    auto to = session();
    if (!to) return to.error();
    return (*to)->run(sql, values);
  }
  Result<void> postpone(const std::string& sql, const std::vector<Postponed>& rows) {
    std::vector<Uuid> ids;
    std::vector<std::string> delays;
    for (const auto& row : rows) {
      ids.push_back(row.id);
      delays.push_back(std::to_string(row.delay_ms));
    }
    return done(run(sql, {PgValue::uuids(ids), PgValue::texts(delays)}));
  }
  // `act` in a transaction of its own.
  template <class T, class Act>
  Result<T> in_transaction(Act act) {
    auto to = session();
    if (!to) return to.error();
    PgTransaction tx(**to);
    Result<T> out = act(tx);
    if (!out) return out;
    if (auto done = tx.commit(); !done) return done.error();
    return out;
  }

  const PgOptions postgres_;
  const Clock& clock_;
  std::unique_ptr<PgSession> session_;
  std::optional<Place> place_;
  Elected what_{};
  Tick pinged_at_{};
};

Result<bool> PgEngineStore::lead(Elected place) {
  if (!place_ || what_ != place) {
    place_.emplace(postgres_, place, clock_);
    what_ = place;
  }
  const bool was_held = place_->is_held();
  auto held = place_->take();
  if (held && *held && was_held && clock_.tick().us - pinged_at_.us < kPingUs) return true;
  if (held && *held) {
    pinged_at_ = clock_.tick();
    if (auto answer = place_->session().run("select 1"); !answer) held = answer.error();
  }
  if (!held) place_.reset();
  return held;
}

Result<Pulse> PgEngineStore::beat(const std::string& instance, const std::vector<Uuid>& epochs) {
  auto rows =
      run(std::string("with gone as (delete from daemon where seen_at < now() - interval '1 day'), b as (insert "
                      "into daemon (instance, epoch, seen_at) select $1, e, now() from unnest($2::uuid[]) e "
                      "on conflict (epoch) do update set seen_at = now()) "
                      "select count(distinct instance)::int, clock_timestamp() from daemon where instance <> $1 and ") +
              kIsAlive,
          {instance, PgValue::uuids(epochs)});
  if (!rows) return rows.error();
  return Pulse{1 + static_cast<int>(rows->number(0, 0)), rows->time(0, 1)};
}

Result<std::vector<DueLane>> PgEngineStore::due_lanes(int64_t ahead_ms) {
  auto rows =
      run(std::string(kDueLanes) + "select priority, shard, lane from l where exists (select from due d where " +
              kDueInLane + "and d.due_at < now() + $1 * interval '1 millisecond') order by 1, 2, 3",
          {ahead_ms});
  if (!rows) return rows.error();
  std::vector<DueLane> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({static_cast<Priority>(rows->number(i, 0)), static_cast<int>(rows->number(i, 1)), rows->text(i, 2)});
  return out;
}

constexpr char kDueColumns[] =
    "message_id, attempt_no, priority, lane, sender, coalesce(provider, ''), due_at, send_until, coalesce(avoid, '')";

DueRow due_of(const PgRows& rows, int i) {
  return {rows.uuid(i, 0),
          static_cast<int>(rows.number(i, 1)),
          static_cast<Priority>(rows.number(i, 2)),
          rows.text(i, 3),
          rows.text(i, 4),
          rows.text(i, 5),
          rows.time(i, 6),
          rows.optional_time(i, 7),
          rows.text(i, 8)};
}

Result<std::vector<DueRow>> PgEngineStore::scan_due(const DueLane& lane, const DueSpan& span,
                                                    const std::optional<DueCursor>& after, int count_max) {
  std::vector<PgValue> values{small(lane.shard), small(static_cast<int>(lane.priority)), lane.lane, span.ahead_ms,
                              small(count_max)};
  std::string past;
  if (after) {
    // The first half is the index's; alone the second would read the lane from its begin.
    past = " and due_at >= $6 and (due_at, message_id) > ($6, $7)";
    values.insert(values.end(), {PgValue(after->due_at), PgValue(after->id)});
  } else if (span.behind_ms) {
    past = " and due_at >= now() - $6 * interval '1 millisecond'";
    values.emplace_back(*span.behind_ms);
  }
  auto rows = run(std::string("select ") + kDueColumns +
                      " from due where shard = $1 and priority = $2 and lane = $3 and due_at < now() + $4 * interval "
                      "'1 millisecond'" +
                      past + " order by due_at, message_id limit $5",
                  values);
  if (!rows) return rows.error();
  std::vector<DueRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(due_of(*rows, i));
  return out;
}

Result<Stamps> PgEngineStore::stamps() {
  auto rows = run("select shard, stamp from shard_stamp");
  if (!rows) return rows.error();
  Stamps out{};
  for (int i = 0; i < rows->size(); i++) out[static_cast<size_t>(rows->number(i, 0))] = rows->number(i, 1);
  return out;
}

Result<void> PgEngineStore::record_stamps(const Stamps& stamps) {
  std::vector<std::string> list;
  for (const int64_t stamp : stamps) list.push_back(std::to_string(stamp));
  return done(
      run("insert into shard_stamp (shard, stamp) select n - 1, s::bigint from unnest($1::text[]) with ordinality u(s, "
          "n) on conflict (shard) do update set stamp = excluded.stamp where shard_stamp.stamp <> excluded.stamp",
          {PgValue::texts(list)}));
}

Result<StaleDue> PgEngineStore::stale_due(const Uuid& after, int count_max, const std::vector<std::string>& lanes) {
  auto rows = run(std::string("with s as materialized (select *, coalesce(send_until <= now(), false) or lane <> all "
                              "($3::text[]) as is_stale, row_number() over (order by message_id) as n from (select * "
                              "from due where message_id > $1 order by message_id limit $2) d) select ") +
                      kDueColumns + ", is_stale, n = $2 from s where is_stale or n = $2 order by n",
                  {after, small(count_max), PgValue::texts(lanes)});
  if (!rows) return rows.error();
  StaleDue out;
  for (int i = 0; i < rows->size(); i++) {
    if (rows->flag(i, 9)) out.rows.push_back(due_of(*rows, i));
    if (rows->flag(i, 10)) out.last = rows->uuid(i, 0);
  }
  return out;
}

Result<OverduePermits> PgEngineStore::overdue_permits(const Uuid& after, int count_max, int64_t age_ms,
                                                      int64_t grace_ms) {
  // Looked for through due: a row exists there exactly while an attempt has no result.
  auto rows = run(
      std::string("with d as materialized (select message_id, attempt_no, due_at, row_number() over (order by "
                  "message_id) as n from (select * from due where message_id > $1 order by message_id limit $2) x), "
                  "s as (select d.n, d.message_id, exists (select from attempt_start a where a.message_id = "
                  "d.message_id and a.attempt_no = d.attempt_no and a.kind = 1 and a.permitted_at < now() - $3 * "
                  "interval '1 millisecond' and (a.permitted_at < now() - $3 * interval '2 milliseconds' or not exists "
                  "(select from daemon where daemon.epoch = a.epoch and ") +
          kIsAlive +
          "))) and pg_postmaster_start_time() < now() - $4 * interval '1 millisecond' as is_overdue from d where "
          "d.due_at < now() - $3 * interval '1 millisecond' or d.n = $2) "
          "select message_id, is_overdue, n = $2 from s where is_overdue or n = $2 order by n",
      {after, small(count_max), age_ms, grace_ms});
  if (!rows) return rows.error();
  OverduePermits out;
  for (int i = 0; i < rows->size(); i++) {
    if (rows->flag(i, 1)) out.messages.push_back(rows->uuid(i, 0));
    if (rows->flag(i, 2)) out.last = rows->uuid(i, 0);
  }
  return out;
}

Result<std::vector<Doubt>> PgEngineStore::doubts(int64_t wait_ms, int count_max) {
  return in_transaction<std::vector<Doubt>>([&](PgTransaction& tx) -> Result<std::vector<Doubt>> {
    // Who is settled is forgotten; who came since is noticed. The newest permit is the one in question.
    auto noticed = tx.run(
        "with settled as (delete from doubt d where not exists (select from message m where m.id = d.message_id and "
        "m.listed = 10)), n as materialized (select m.id, s.attempt_no from message m cross join lateral (select "
        "a.attempt_no from attempt_start a where a.message_id = m.id and a.kind = 1 order by a.attempt_no desc limit "
        "1) s where m.listed = 10) "
        "insert into doubt (message_id, attempt_no, due_at) select id, attempt_no, now() + $1 * interval "
        "'1 millisecond' from n on conflict (message_id) do update set attempt_no = excluded.attempt_no, due_at = "
        "excluded.due_at, looks = 0 where doubt.attempt_no <> excluded.attempt_no",
        {wait_ms});
    if (!noticed) return noticed.error();
    auto rows = tx.run(
        "select d.message_id, d.attempt_no, s.provider, coalesce(r.provider_reference, ''), "
        "(extract(epoch from now() - f.first_at) * 1000)::bigint, d.looks from (select * from doubt where due_at <= "
        "now() order by due_at, message_id limit $1) d "
        "cross join lateral (select a.provider, a.permitted_at from attempt_start a where a.message_id = d.message_id "
        "and a.attempt_no = d.attempt_no offset 0) s "
        "left join lateral (select b.provider_reference from attempt_result b where b.message_id = d.message_id and "
        "b.attempt_no = d.attempt_no offset 0) r on true "
        "cross join lateral (select least(s.permitted_at, min(a.permitted_at)) as first_at from attempt_start a join "
        "attempt_result b using (message_id, attempt_no) where a.message_id = d.message_id and a.provider = s.provider "
        "and b.outcome = 4) f order by d.message_id",
        {small(count_max)});
    if (!rows) return rows.error();
    std::vector<Doubt> out;
    for (int i = 0; i < rows->size(); i++)
      out.push_back({rows->uuid(i, 0), static_cast<int>(rows->number(i, 1)), rows->text(i, 2), rows->text(i, 3),
                     rows->number(i, 4), static_cast<int>(rows->number(i, 5))});
    return out;
  });
}

Result<void> PgEngineStore::postpone_doubts(const std::vector<Postponed>& messages) {
  return postpone(
      "update doubt set looks = looks + 1, due_at = now() + u.ms::bigint * interval '1 millisecond' from "
      "unnest($1::uuid[], $2::text[]) u(id, ms) where message_id = u.id",
      messages);
}

Result<std::optional<std::pair<std::string, std::string>>> PgEngineStore::data_key(const Uuid& message_id) {
  using Key = std::optional<std::pair<std::string, std::string>>;
  return in_transaction<Key>([&](PgTransaction& tx) { return read_data_key(tx, message_id); });
}

Result<bool> PgEngineStore::keep_callback(const CallbackRow& row) {
  return in_transaction<bool>([&](PgTransaction& tx) -> Result<bool> {
    auto added = insert_callbacks(tx, {row});
    if (!added) return added.error();
    return !added->empty();
  });
}

Result<Slice> PgEngineStore::look_at_messages(const Uuid& after, int count_max) {
  auto to = session();
  if (!to) return to.error();
  return signet::look_at_messages(**to, after, count_max);
}

Result<std::vector<MessageCount>> PgEngineStore::count_messages(const Uuid& after, const Uuid& last,
                                                                const std::vector<ReceiptLimit>& limits) {
  std::vector<std::string> names, waits;
  for (const auto& limit : limits) {
    names.push_back(limit.provider);
    waits.push_back(std::to_string(limit.wait_ms));
  }
  Uuid high = last;
  if (high.is_nil()) high.bytes.fill(0xff);
  auto rows = run(
      "select m.status, coalesce(m.provider, ''), count(*), count(*) filter (where m.status = 5 and exists (select "
      "from unnest($3::text[], $4::text[]) l(provider, wait_ms) where l.provider = m.provider and m.sent_at < now() "
      "- l.wait_ms::bigint * interval '1 millisecond')) from message m where m.id > $1 and m.id <= $2 group by 1, 2",
      {after, high, PgValue::texts(names), PgValue::texts(waits)});
  if (!rows) return rows.error();
  std::vector<MessageCount> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({static_cast<Status>(rows->number(i, 0)), rows->text(i, 1), rows->number(i, 2), rows->number(i, 3)});
  return out;
}

Result<Totals> PgEngineStore::totals() {
  auto rows =
      run(std::string(kDueLanes) +
              "select case when c.n <= $1 then c.n else greatest(c.n, (select reltuples from pg_class where oid = "
              "'due'::regclass))::bigint end, coalesce((select (extract(epoch from now() - min(x.due_at)) * "
              "1000)::bigint from l cross join lateral (select due_at from due d where " +
              kDueInLane +
              "order by due_at limit 1) x where x.due_at <= now()), 0), (select count(*) from callback_due where tries "
              ">= 6) from (select count(*) n from (select from due where due_at <= now() limit $1 + 1) d) c",
          {kDueCounted});
  if (!rows) return rows.error();
  return Totals{rows->number(0, 0), rows->number(0, 1), rows->number(0, 2)};
}

Result<std::vector<CallbackRow>> PgEngineStore::take_callbacks(int count_max, int64_t lease_ms) {
  return in_transaction<std::vector<CallbackRow>>(
      [&](PgTransaction& tx) { return signet::take_callbacks(tx, count_max, lease_ms); });
}

Result<void> PgEngineStore::postpone_callbacks(const std::vector<Postponed>& callbacks) {
  return postpone(
      "update callback_due set tries = tries + 1, due_at = now() + u.ms::bigint * interval '1 millisecond' from "
      "unnest($1::uuid[], $2::text[]) u(id, ms) where callback_id = u.id",
      callbacks);
}

Result<void> PgEngineStore::end_callback(const Uuid& id) {
  auto ended = in_transaction<bool>([&](PgTransaction& tx) { return finish_callback(tx, id); });
  if (!ended) return ended.error();
  return {};
}

Result<std::map<EngineStore::Reference, std::pair<Uuid, int>>> PgEngineStore::find_references(
    const std::vector<Reference>& references) {
  std::map<Reference, std::pair<Uuid, int>> out;
  if (references.empty()) return out;
  std::vector<std::string> providers, names;
  for (const auto& [provider, name] : references) {
    providers.push_back(provider);
    names.push_back(name);
  }
  auto rows =
      run("select c.provider, c.reference, c.message_id, c.attempt_no from unnest($1::text[], $2::text[]) u(provider, "
          "reference) join callback_reference c using (provider, reference)",
          {PgValue::texts(providers), PgValue::texts(names)});
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++)
    out[{rows->text(i, 0), rows->text(i, 1)}] = {rows->uuid(i, 2), static_cast<int>(rows->number(i, 3))};
  return out;
}

Result<std::vector<Changed>> PgEngineStore::change(const std::vector<Uuid>& ids, const Decide& decide) {
  return in_transaction<std::vector<Changed>>([&](PgTransaction& tx) {
    auto changed = change_messages(tx, ids, decide);
    SIGNET_CRASH_POINT(change_uncommitted);
    return changed;
  });
}

}  // namespace

std::unique_ptr<EngineStore> make_pg_engine_store(PgOptions postgres, const Clock& clock) {
  return std::make_unique<PgEngineStore>(std::move(postgres), clock);
}

}  // namespace signet
