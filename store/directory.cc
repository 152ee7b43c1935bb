#include "store/directory.h"

namespace signet {
namespace {

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

UserRow user_of(const PgRows& rows, int i) {
  return {rows.uuid(i, 0), rows.text(i, 1), rows.text(i, 2), rows.text(i, 3), static_cast<Role>(rows.number(i, 4)),
          rows.flag(i, 5)};
}

constexpr char kUser[] = "u.id, u.name, u.email, u.registration, u.role, u.disabled_at is not null";

}  // namespace

Result<void> insert_user(PgTransaction& tx, const UserRow& row) {
  auto rows = tx.run("insert into users (id, name, email, registration, role) values ($1, $2, $3, $4, $5)",
                     {row.id, row.name, row.email, row.registration, static_cast<int32_t>(row.role)});
  if (!rows && rows.error().code == ErrorCode::conflict)
    return Error{ErrorCode::conflict, "there is a user with this e-mail address already"};
  return done(rows);
}

Result<std::optional<UserRow>> find_user(PgTransaction& tx, const std::string& email) {
  auto rows = tx.run(
      std::string("select ") + kUser + " from users u where lower(u.email) = lower($1) and u.disabled_at is null",
      {email});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<UserRow>();
  return std::optional(user_of(*rows, 0));
}

Result<std::vector<UserRow>> list_users(PgTransaction& tx) {
  auto rows = tx.run(std::string("select ") + kUser + " from users u order by u.id");
  if (!rows) return rows.error();
  std::vector<UserRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(user_of(*rows, i));
  return out;
}

Result<void> insert_token(PgTransaction& tx, const TokenRow& row, std::string_view sha256) {
  return done(
      tx.run("insert into tokens (id, user_id, sha256, scopes, expires_at) values ($1, $2, $3, $4, $5)",
             {row.id, row.user_id, PgValue::octets(sha256), PgValue::texts(row.scopes), PgValue(row.expires_at)}));
}

Result<std::optional<Principal>> find_principal(PgTransaction& tx, std::string_view token_sha256) {
  auto rows =
      tx.run(std::string("select ") + kUser +
                 ", t.id, t.scopes, t.expires_at, t.last_used_at from tokens t join users u on u.id = t.user_id "
                 "where t.sha256 = $1 and t.revoked_at is null and u.disabled_at is null "
                 "and (t.expires_at is null or t.expires_at > now())",
             {PgValue::octets(token_sha256)});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<Principal>();
  Principal found{user_of(*rows, 0), {}};
  found.token = {rows->uuid(0, 6),          found.user.id, rows->texts(0, 7), rows->optional_time(0, 8),
                 rows->optional_time(0, 9), false};
  return std::optional(std::move(found));
}

Result<void> touch_token(PgTransaction& tx, const Uuid& token_id) {
  return done(
      tx.run("update tokens set last_used_at = now() where id = $1 and "
             "(last_used_at is null or last_used_at < now() - interval '1 minute')",
             {token_id}));
}

}  // namespace signet
