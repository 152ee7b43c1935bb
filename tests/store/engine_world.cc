#include "tests/store/engine_world.h"

#include <algorithm>
#include <stdexcept>

#include "audit/event.h"

namespace signet::test {
namespace {

PgValue small(int number) { return PgValue(static_cast<int32_t>(number)); }

MessageView seen(EngineStore& store, const Uuid& id) {
  MessageView out;
  auto changed = store.change({id}, [&](const MessageView& view) {
    out = view;
    return std::optional<MessageChange>();
  });
  if (!changed) throw std::runtime_error(changed.error().text);
  return out;
}

// The next id of that shard's turn: the shard is in the time.
Uuid moved_to(Uuid id, int shard) {
  const int64_t ms = ((id.unix_ms() >> 13) * kShards + shard) << 7;
  const Uuid lowest = Uuid::lowest_at({ms * 1000});
  std::copy_n(lowest.bytes.begin(), 6, id.bytes.begin());
  return id;
}

}  // namespace

CallbackRow EngineWorld::callback(const std::string& event_id, const std::optional<Uuid>& message_id) {
  CallbackRow row;
  row.id = ids.next();
  row.provider = "gateway";
  row.event_id = event_id;
  row.message_id = message_id;
  row.attempt_no = message_id ? 1 : 0;
  row.provider_reference = "ref-" + event_id;
  row.kind = ReceiptKind::delivered;
  row.sealed_by = "message";
  row.sealed = "sealed";
  row.received_at = clock.wall();
  return row;
}

StatusChange EngineWorld::change_of(const MessageView& view, Status status) {
  StatusChange change;
  change.id = view.message.id;
  change.status = status;
  change.before = view.message.head;
  change.entry = {ids.next(), view.message.id, "canon " + ids.next().text(), {}};
  change.entry.leaf = leaf_hash(change.entry.canon);
  change.entry.action = "resolve";
  change.entry.at = view.now;
  return change;
}

PgEngineWorld::PgEngineWorld() {
  shared_postgres().clear();
  session = shared_postgres().session("postgres");
}

EngineStore& PgEngineWorld::store(const std::string& daemon) {
  auto& made = stores_[daemon];
  if (!made) {
    PgOptions options = shared_postgres().options();
    options.application_name = daemon;
    made = make_pg_engine_store(options, clock);
  }
  return *made;
}

void PgEngineWorld::cut(const std::string& daemon) {
  run("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1", {daemon});
}

PgRows PgEngineWorld::run(const std::string& sql, const std::vector<PgValue>& values) {
  auto rows = session->run(sql, values);
  if (!rows) throw std::runtime_error(rows.error().text);
  return *rows;
}

Uuid PgEngineWorld::insert(const Planted& planted) {
  ApprovedMessages messages(*session, keys_, clock, random);
  const Uuid id = messages.insert({sms("+61491570006", "hello"), planted.lane, planted.priority});
  run("update due set due_at = now() + $2 * interval '1 millisecond', send_until = now() + $3 * interval "
      "'1 millisecond', provider = nullif($4, ''), shard = coalesce($5, shard) where message_id = $1",
      {id, planted.due_in_ms, PgValue(planted.lasts_ms), planted.provider,
       planted.shard ? small(*planted.shard) : PgValue::null()});
  return id;
}

void PgEngineWorld::permit(const Uuid& id, int attempt_no, const std::string& provider, const Uuid& epoch,
                           int64_t ago_ms) {
  run("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, permitted_at) "
      "values ($1, $2, 1, $3, 'one', $4, 'sms', clock_timestamp() - $5 * interval '1 millisecond')",
      {id, small(attempt_no), epoch, provider, ago_ms});
}

void PgEngineWorld::end(const Uuid& id, int attempt_no, OutcomeKind outcome, Status status) {
  run("insert into attempt_result (message_id, attempt_no, outcome, provider_reference, finished_at) values "
      "($1, $2, $3, $4, now())",
      {id, small(attempt_no), small(static_cast<int>(outcome)), reference});
  run("update message set status = $2, attempts = attempts + 1, provider = 'gateway', sent_at = now() where id = $1",
      {id, small(static_cast<int>(status))});
  if (status == Status::queued)
    run("update due set attempt_no = $2 + 1 where message_id = $1", {id, small(attempt_no)});
  else
    lose_due(id);
}

void PgEngineWorld::decide(const Uuid& id, int attempt_no, const std::string& decision) {
  run("insert into decision values ($1, $2, $3, $4, 'test', 'test', now())",
      {ids.next(), id, small(attempt_no), decision});
}

void PgEngineWorld::lose_due(const Uuid& id) { run("delete from due where message_id = $1", {id}); }

void PgEngineWorld::silence(const Uuid& epoch) {
  run("update daemon set seen_at = now() - interval '1 minute' where epoch = $1", {epoch});
}

void PgEngineWorld::refer(const std::string& provider, const std::string& reference, const Uuid& id, int attempt_no) {
  run("insert into callback_reference values ($1, $2, $3, $4)", {provider, reference, id, small(attempt_no)});
}

MessageView PgEngineWorld::view(const Uuid& id) { return seen(store("viewer"), id); }

int64_t PgEngineWorld::confirmations() { return run("select count(*) from confirmation").number(0, 0); }

EngineStore& MemoryEngineWorld::store(const std::string& daemon) {
  auto& made = stores_[daemon];
  if (!made) made = std::make_unique<MemoryEngineStore>(memory_);
  return *made;
}

void MemoryEngineWorld::cut(const std::string& daemon) {
  const void* session = stores_.at(daemon).get();
  std::erase_if(memory_.places, [session](const auto& held) { return held.second.session == session; });
}

Uuid MemoryEngineWorld::insert(const Planted& planted) {
  const Uuid id = planted.shard ? moved_to(ids.next(), *planted.shard) : ids.next();
  const WallTime now = memory_.now();
  MemoryStore::Message& m = memory_.messages[id];
  m.row.id = id;
  m.row.status = Status::queued;
  m.row.priority = planted.priority;
  m.row.head.n = 2;
  m.row.head.leaf.fill(7);
  m.content.kek_id = keys_.kek_id();
  m.content.wrapped_key = keys_.make_data_key(id.text()).wrapped;
  m.due = DueRow{id, 1, planted.priority, planted.lane, "tester", planted.provider, {now.us + planted.due_in_ms * 1000},
                 {}};
  if (planted.lasts_ms) m.due->send_until = WallTime{now.us + *planted.lasts_ms * 1000};
  return id;
}

void MemoryEngineWorld::permit(const Uuid& id, int attempt_no, const std::string& provider, const Uuid& epoch,
                               int64_t ago_ms) {
  const WallTime permitted_at{memory_.now().us - ago_ms * 1000};
  memory_.messages.at(id).starts[attempt_no] = {false, epoch, "one", provider, "sms", "", permitted_at};
}

void MemoryEngineWorld::end(const Uuid& id, int attempt_no, OutcomeKind outcome, Status status) {
  MemoryStore::Message& m = memory_.messages.at(id);
  ResultRow result;
  result.id = id;
  result.attempt_no = attempt_no;
  result.outcome.kind = outcome;
  result.outcome.provider_reference = reference;
  m.results[attempt_no] = result;
  m.row.status = status;
  m.row.attempts++;
  m.row.provider = "gateway";
  m.row.sent_at = memory_.now();
  if (status == Status::queued)
    m.due->attempt_no = attempt_no + 1;
  else
    m.due.reset();
}

void MemoryEngineWorld::decide(const Uuid& id, int attempt_no, const std::string& decision) {
  memory_.messages.at(id).decisions.push_back({attempt_no, decision, "test", memory_.now()});
}

void MemoryEngineWorld::lose_due(const Uuid& id) { memory_.messages.at(id).due.reset(); }

void MemoryEngineWorld::silence(const Uuid& epoch) { memory_.beats.at(epoch).seen_at.us -= 60'000'000; }

void MemoryEngineWorld::refer(const std::string& provider, const std::string& reference, const Uuid& id,
                              int attempt_no) {
  memory_.references[{provider, reference}] = {id, attempt_no};
}

MessageView MemoryEngineWorld::view(const Uuid& id) { return seen(store("viewer"), id); }

int64_t MemoryEngineWorld::confirmations() {
  int64_t out = 0;
  for (const auto& [id, m] : memory_.messages) out += static_cast<int64_t>(m.confirmations.size());
  return out;
}

}  // namespace signet::test
