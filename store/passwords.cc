#include "store/passwords.h"

namespace signet {
namespace {

constexpr char kColumns[] =
    "select id, coalesce(password_hash, ''), failed_logins, last_failed_at, locked_until from users "
    "where disabled_at is null and ";

Result<std::optional<PasswordRow>> one_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<PasswordRow>();
  return std::optional(PasswordRow{rows->uuid(0, 0), rows->text(0, 1), static_cast<int>(rows->number(0, 2)),
                                   rows->optional_time(0, 3), rows->optional_time(0, 4)});
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<void> lock_account(PgTransaction& tx, const std::string& account) {
  return done(tx.run("select pg_advisory_xact_lock(hashtextextended($1, 2))", {account}));
}

Result<std::optional<PasswordRow>> find_password(PgTransaction& tx, const std::string& email) {
  return one_of(tx.run(std::string(kColumns) + "lower(email) = lower($1)", {email}));
}

Result<std::optional<PasswordRow>> read_password(PgTransaction& tx, const Uuid& user_id) {
  return one_of(tx.run(std::string(kColumns) + "id = $1", {user_id}));
}

Result<void> note_attempts(PgTransaction& tx, const PasswordRow& row) {
  return done(tx.run(
      "update users set failed_logins = $2, last_failed_at = $3, locked_until = $4 where id = $1",
      {row.user_id, static_cast<int32_t>(row.failed_logins), PgValue(row.last_failed_at), PgValue(row.locked_until)}));
}

Result<void> set_password(PgTransaction& tx, const Uuid& user_id, const std::string& hash) {
  return done(
      tx.run("update users set password_hash = $2, failed_logins = 0, last_failed_at = null, locked_until = null "
             "where id = $1",
             {user_id, hash}));
}

}  // namespace signet
