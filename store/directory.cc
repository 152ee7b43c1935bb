#include "store/directory.h"

namespace signet {
namespace {

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

constexpr char kUser[] =
    "u.id, u.name, u.email, u.registration, u.role, u.disabled_at is not null, u.may_read_content, u.version, "
    "u.password_hash is not null, u.locked_until";
constexpr int kUserColumns = 10;

UserRow user_of(const PgRows& rows, int i) {
  UserRow row;
  row.id = rows.uuid(i, 0);
  row.name = rows.text(i, 1);
  row.email = rows.text(i, 2);
  row.registration = rows.text(i, 3);
  row.role = static_cast<Role>(rows.number(i, 4));
  row.is_disabled = rows.flag(i, 5);
  row.may_read_content = rows.flag(i, 6);
  row.version = static_cast<int>(rows.number(i, 7));
  row.has_password = rows.flag(i, 8);
  row.locked_until = rows.optional_time(i, 9);
  return row;
}

Result<std::optional<UserRow>> one_user_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<UserRow>();
  return std::optional(user_of(*rows, 0));
}

constexpr char kToken[] = "t.id, t.user_id, t.scopes, t.expires_at, t.last_used_at, t.revoked_at is not null";

TokenRow token_of(const PgRows& rows, int i, int from = 0) {
  return {rows.uuid(i, from),
          rows.uuid(i, from + 1),
          rows.texts(i, from + 2),
          rows.optional_time(i, from + 3),
          rows.optional_time(i, from + 4),
          rows.flag(i, from + 5)};
}

// $2 is now.
std::string content_open() {
  return ", case u.role when " + std::to_string(static_cast<int>(Role::auditor)) + " then u.may_read_content when " +
         std::to_string(static_cast<int>(Role::admin)) +
         " then exists (select from break_glass b where b.user_id = u.id and b.opened_at <= $2 and b.until > $2) "
         "else false end ";
}

Error taken() { return {ErrorCode::conflict, "there is a user with this e-mail address already"}; }

}  // namespace

Result<void> insert_user(PgTransaction& tx, const UserRow& row) {
  auto rows = tx.run(
      "insert into users (id, name, email, registration, role, may_read_content) values ($1, $2, $3, $4, $5, $6)",
      {row.id, row.name, row.email, row.registration, static_cast<int32_t>(row.role), row.may_read_content});
  if (!rows && rows.error().code == ErrorCode::conflict) return taken();
  return done(rows);
}

Result<std::optional<UserRow>> find_user(PgTransaction& tx, const std::string& email) {
  return one_user_of(tx.run(
      std::string("select ") + kUser + " from users u where lower(u.email) = lower($1) and u.disabled_at is null",
      {email}));
}

Result<std::optional<UserRow>> find_service(PgTransaction& tx, const std::string& name) {
  auto rows = tx.run(std::string("select ") + kUser +
                         " from users u where u.name = $1 and u.role = $2 and u.disabled_at is null limit 2",
                     {name, static_cast<int32_t>(Role::service)});
  if (rows && rows->size() > 1) return std::optional<UserRow>();
  return one_user_of(rows);
}

Result<std::optional<UserRow>> lock_user(PgTransaction& tx, const Uuid& id) {
  return one_user_of(tx.run(std::string("select ") + kUser + " from users u where u.id = $1 for no key update", {id}));
}

Result<std::optional<UserRow>> read_user(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(std::string("select ") + kUser + " from users u where u.id = $1", {id});
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

Result<void> update_user(PgTransaction& tx, const UserRow& row) {
  auto rows = tx.run(
      "update users set name = $2, email = $3, registration = $4, role = $5, may_read_content = $6, version = version "
      "+ 1, disabled_at = case when not $7 then null else coalesce(disabled_at, now()) end "
      "where id = $1 and version = $8",
      {row.id, row.name, row.email, row.registration, static_cast<int32_t>(row.role), row.may_read_content,
       row.is_disabled, static_cast<int32_t>(row.version)});
  if (!rows && rows.error().code == ErrorCode::conflict) return taken();
  if (!rows) return rows.error();
  if (rows->affected() == 0) return Error{ErrorCode::conflict, "somebody else has changed this user"};
  return {};
}

Result<std::vector<Uuid>> lock_administrators(PgTransaction& tx) {
  auto rows = tx.run("select id from users where role = $1 and disabled_at is null order by id for no key update",
                     {static_cast<int32_t>(Role::admin)});
  if (!rows) return rows.error();
  std::vector<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->uuid(i, 0));
  return out;
}

Result<void> insert_token(PgTransaction& tx, const TokenRow& row, std::string_view sha256) {
  return done(
      tx.run("insert into tokens (id, user_id, sha256, scopes, expires_at) values ($1, $2, $3, $4, $5)",
             {row.id, row.user_id, PgValue::octets(sha256), PgValue::texts(row.scopes), PgValue(row.expires_at)}));
}

Result<std::vector<TokenRow>> list_tokens(PgTransaction& tx, const std::optional<Uuid>& user_id) {
  auto rows =
      tx.run(std::string("select ") + kToken + " from tokens t where $1::uuid is null or t.user_id = $1 order by t.id",
             {PgValue(user_id)});
  if (!rows) return rows.error();
  std::vector<TokenRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(token_of(*rows, i));
  return out;
}

Result<std::optional<TokenRow>> read_token(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(std::string("select ") + kToken + " from tokens t where t.id = $1", {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<TokenRow>();
  return std::optional(token_of(*rows, 0));
}

Result<bool> revoke_token(PgTransaction& tx, const Uuid& id, WallTime now) {
  auto rows = tx.run("update tokens set revoked_at = $2 where id = $1 and revoked_at is null", {id, now});
  if (!rows) return rows.error();
  return rows->affected() > 0;
}

Result<void> touch_token(PgTransaction& tx, const Uuid& token_id, WallTime now) {
  return done(
      tx.run("update tokens set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $2)",
             {token_id, now}));
}

Result<std::optional<Principal>> find_principal(PgTransaction& tx, std::string_view token_sha256, WallTime now) {
  auto rows = tx.run(std::string("select ") + kUser + ", " + kToken + content_open() +
                         "from tokens t join users u on u.id = t.user_id where t.sha256 = $1 and t.revoked_at is null "
                         "and u.disabled_at is null and (t.expires_at is null or t.expires_at > $2)",
                     {PgValue::octets(token_sha256), now});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<Principal>();
  Principal found{user_of(*rows, 0), token_of(*rows, 0, kUserColumns), std::nullopt, false};
  found.is_content_open = rows->flag(0, kUserColumns + 6);
  return std::optional(std::move(found));
}

Result<std::optional<Principal>> find_session_principal(PgTransaction& tx, std::string_view session_sha256,
                                                        WallTime now, WallTime seen_after) {
  auto rows = tx.run(
      std::string("select ") + kUser +
          ", s.id, s.user_id, s.created_at, s.last_seen_at, s.expires_at, s.stepped_up_at, s.ip" + content_open() +
          "from sessions s join users u on u.id = s.user_id where s.sha256 = $1 and s.revoked_at is null "
          "and u.disabled_at is null and s.expires_at > $2 and s.last_seen_at > $3",
      {PgValue::octets(session_sha256), now, seen_after});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<Principal>();
  constexpr int k = kUserColumns;
  Principal found{user_of(*rows, 0), {}, std::nullopt, false};
  found.session =
      SessionRow{rows->uuid(0, k),     rows->uuid(0, k + 1),          rows->time(0, k + 2), rows->time(0, k + 3),
                 rows->time(0, k + 4), rows->optional_time(0, k + 5), rows->text(0, k + 6)};
  found.is_content_open = rows->flag(0, k + 7);
  return std::optional(std::move(found));
}

}  // namespace signet
