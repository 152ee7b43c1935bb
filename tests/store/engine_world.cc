#include "tests/store/engine_world.h"

#include <stdexcept>

#include "audit/event.h"

namespace signet::test {
namespace {

PgValue small(int number) { return PgValue(static_cast<int32_t>(number)); }

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

void PgEngineWorld::permit(const Uuid& id, int attempt_no, const std::string& provider, const Uuid& epoch) {
  run("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, permitted_at) "
      "values ($1, $2, 1, $3, 'one', $4, 'sms', clock_timestamp())",
      {id, small(attempt_no), epoch, provider});
}

void PgEngineWorld::end(const Uuid& id, int attempt_no, OutcomeKind outcome, Status status) {
  run("insert into attempt_result (message_id, attempt_no, outcome, provider_reference, finished_at) values "
      "($1, $2, $3, 'ref', now())",
      {id, small(attempt_no), small(static_cast<int>(outcome))});
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

MessageView PgEngineWorld::view(const Uuid& id) {
  MessageView out;
  auto changed = store("viewer").change({id}, [&](const MessageView& view) {
    out = view;
    return std::optional<MessageChange>();
  });
  if (!changed) throw std::runtime_error(changed.error().text);
  return out;
}

int64_t PgEngineWorld::confirmations() { return run("select count(*) from confirmation").number(0, 0); }

}  // namespace signet::test
