#include "store/integrity.h"

namespace signet {
namespace {

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<std::optional<VerificationRun>> read_run(PgSession& session, const Uuid& id) {
  auto rows = session.run(
      "select begin_size, end_size, size, message_id, entries, checkpoints, messages, erased, faults, duration_ms, at "
      "from audit.verification_run where id = $1",
      {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<VerificationRun>();
  return std::optional(VerificationRun{id, rows->number(0, 0), rows->number(0, 1), rows->number(0, 2), rows->uuid(0, 3),
                                       rows->number(0, 4), rows->number(0, 5), rows->number(0, 6), rows->number(0, 7),
                                       rows->text(0, 8), rows->number(0, 9), rows->time(0, 10)});
}

Result<void> write_run(PgSession& session, const VerificationRun& r) {
  return done(session.run(
      "insert into audit.verification_run (id, begin_size, end_size, size, message_id, entries, checkpoints, messages, "
      "erased, faults, duration_ms, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (id) do "
      "update set size = excluded.size, message_id = excluded.message_id, entries = excluded.entries, "
      "checkpoints = excluded.checkpoints, messages = excluded.messages, erased = excluded.erased, "
      "faults = excluded.faults, duration_ms = excluded.duration_ms, at = excluded.at",
      {r.id, r.from, r.to, r.size, r.message_id, r.entries, r.checkpoints, r.messages, r.erased, r.faults,
       r.duration_ms, r.at}));
}

Result<void> delete_run(PgSession& session, const Uuid& id) {
  return done(session.run("delete from audit.verification_run where id = $1", {id}));
}

Result<void> insert_acknowledgement(PgTransaction& tx, const Acknowledgement& a) {
  return done(tx.run("insert into audit.acknowledgement (fault_id, by_user, reason, at) values ($1, $2, $3, $4)",
                     {a.fault_id, a.by_user, a.reason, a.at}));
}

Result<std::vector<Acknowledgement>> list_acknowledgements(PgTransaction& tx, const std::vector<Uuid>& faults) {
  auto rows = tx.run("select fault_id, by_user, reason, at from audit.acknowledgement where fault_id = any($1)",
                     {PgValue::uuids(faults)});
  if (!rows) return rows.error();
  std::vector<Acknowledgement> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->uuid(i, 0), rows->uuid(i, 1), rows->text(i, 2), rows->time(i, 3)});
  return out;
}

Result<std::optional<IntegrityFault>> read_fault(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(
      "select f.level, f.what, f.seq, f.event_id, f.at, f.relation, f.row_key, a.fault_id is not null from audit.fault "
      "f left join audit.acknowledgement a on a.fault_id = f.id where f.id = $1",
      {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<IntegrityFault>();
  IntegrityFault f;
  f.id = id;
  f.level = static_cast<int>(rows->number(0, 0));
  f.what = rows->text(0, 1);
  if (!rows->is_null(0, 2)) f.seq = rows->number(0, 2);
  if (!rows->is_null(0, 3)) f.event_id = rows->uuid(0, 3);
  f.at = rows->time(0, 4);
  f.relation = rows->text(0, 5);
  f.row_key = rows->text(0, 6);
  f.is_acknowledged = rows->flag(0, 7);
  return std::optional(std::move(f));
}

Result<bool> has_open_faults(PgTransaction& tx) {
  auto rows = tx.run(
      "select exists (select from audit.fault f where not exists (select from audit.acknowledgement a where "
      "a.fault_id = f.id))");
  if (!rows) return rows.error();
  return rows->flag(0, 0);
}

}  // namespace signet
