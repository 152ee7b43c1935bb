#include "store/idempotency.h"

namespace signet {
namespace {

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<std::optional<KeptReply>> claim_idempotency_key(PgTransaction& tx, const Uuid& user_id, const std::string& route,
                                                       const std::string& key, WallTime kept_after) {
  using Found = std::optional<KeptReply>;
  auto locked = tx.run("select pg_advisory_xact_lock(hashtextextended($1, 1))",
                       {"idempotency " + user_id.text() + ' ' + route + ' ' + key});
  if (!locked) return locked.error();
  auto rows = tx.run(
      "select body_sha256, created_at, sealed_by::text, reply from idempotency where user_id = $1 and route = $2 and "
      "key = $3",
      {user_id, route, key});
  if (!rows) return rows.error();
  if (rows->size() == 0) return Found();
  if (rows->time(0, 1) > kept_after)
    return Found(
        KeptReply{user_id, route, key, rows->text(0, 0), rows->time(0, 1), rows->text(0, 2), rows->text(0, 3)});
  auto forgotten =
      tx.run("delete from idempotency where user_id = $1 and route = $2 and key = $3", {user_id, route, key});
  if (!forgotten) return forgotten.error();
  return Found();
}

Result<void> keep_reply(PgTransaction& tx, const KeptReply& row) {
  return done(
      tx.run("insert into idempotency (user_id, route, key, body_sha256, created_at, sealed_by, reply) values ($1, $2, "
             "$3, $4, $5, $6::text::date, $7)",
             {row.user_id, row.route, row.key, PgValue::octets(row.body_sha256), row.created_at, row.sealed_by,
              PgValue::octets(row.reply)}));
}

Result<int64_t> delete_replies(PgTransaction& tx, WallTime created_before) {
  auto rows = tx.run("delete from idempotency where created_at < $1", {created_before});
  if (!rows) return rows.error();
  return rows->affected();
}

}  // namespace signet
