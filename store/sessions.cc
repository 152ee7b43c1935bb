#include "store/sessions.h"

namespace signet {
namespace {

constexpr char kColumns[] =
    "select id, user_id, created_at, last_seen_at, expires_at, stepped_up_at, ip from sessions ";

SessionRow row_of(const PgRows& rows, int i) {
  return {rows.uuid(i, 0), rows.uuid(i, 1),          rows.time(i, 2), rows.time(i, 3),
          rows.time(i, 4), rows.optional_time(i, 5), rows.text(i, 6)};
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

Result<int64_t> counted(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return rows->affected();
}

}  // namespace

Result<void> insert_session(PgTransaction& tx, const SessionRow& row, std::string_view sha256) {
  return done(
      tx.run("insert into sessions (id, user_id, sha256, created_at, last_seen_at, expires_at, stepped_up_at, ip) "
             "values ($1, $2, $3, $4, $5, $6, $7, $8)",
             {row.id, row.user_id, PgValue::octets(sha256), row.created_at, row.last_seen_at, row.expires_at,
              PgValue(row.stepped_up_at), row.ip}));
}

Result<void> step_up_session(PgTransaction& tx, const Uuid& id, std::string_view sha256, WallTime now) {
  return done(tx.run("update sessions set sha256 = $2, stepped_up_at = $3, last_seen_at = $3 where id = $1",
                     {id, PgValue::octets(sha256), now}));
}

Result<void> touch_session(PgTransaction& tx, const Uuid& id, WallTime now) {
  return done(tx.run("update sessions set last_seen_at = $2 where id = $1 and last_seen_at < $2", {id, now}));
}

Result<std::vector<SessionRow>> list_sessions(PgTransaction& tx, const std::optional<Uuid>& user_id, WallTime now,
                                              WallTime seen_after) {
  auto rows = tx.run(std::string(kColumns) +
                         "where ($1::uuid is null or user_id = $1) and revoked_at is null and expires_at > $2 "
                         "and last_seen_at > $3 order by id desc",
                     {PgValue(user_id), now, seen_after});
  if (!rows) return rows.error();
  std::vector<SessionRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(row_of(*rows, i));
  return out;
}

Result<std::optional<SessionRow>> read_session(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(std::string(kColumns) + "where id = $1", {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<SessionRow>();
  return std::optional(row_of(*rows, 0));
}

Result<bool> revoke_session(PgTransaction& tx, const Uuid& id, WallTime now) {
  auto rows = tx.run("update sessions set revoked_at = $2 where id = $1 and revoked_at is null", {id, now});
  if (!rows) return rows.error();
  return rows->affected() > 0;
}

Result<int64_t> revoke_sessions(PgTransaction& tx, const Uuid& user_id, const std::optional<Uuid>& but, WallTime now) {
  return counted(
      tx.run("update sessions set revoked_at = $3 where user_id = $1 and revoked_at is null and expires_at > $3 "
             "and ($2::uuid is null or id <> $2)",
             {user_id, PgValue(but), now}));
}

Result<int64_t> delete_sessions(PgTransaction& tx, WallTime expired_before) {
  return counted(tx.run("delete from sessions where expires_at < $1", {expired_before}));
}

}  // namespace signet
