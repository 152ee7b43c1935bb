#include "store/signing_keys.h"

namespace signet {
namespace {

constexpr char kColumns[] =
    "select id, user_id, algorithm, custody, key_id, public_key, kek_id, wrapped, valid_from, valid_to, revoked_at, "
    "revoked_reason, replaces from signing_keys ";

SigningKeyRow row_of(const PgRows& rows, int i) {
  SigningKeyRow row;
  row.id = rows.uuid(i, 0);
  row.user_id = rows.uuid(i, 1);
  row.algorithm = static_cast<SignatureAlgorithm>(rows.number(i, 2));
  row.custody = static_cast<Custody>(rows.number(i, 3));
  row.key_id = rows.text(i, 4);
  row.public_key = rows.text(i, 5);
  if (!rows.is_null(i, 6)) row.kek_id = rows.text(i, 6);
  if (!rows.is_null(i, 7)) row.wrapped = rows.text(i, 7);
  row.valid_from = rows.time(i, 8);
  row.valid_to = rows.optional_time(i, 9);
  row.revoked_at = rows.optional_time(i, 10);
  if (!rows.is_null(i, 11)) row.revoked_reason = rows.text(i, 11);
  if (!rows.is_null(i, 12)) row.replaces = rows.uuid(i, 12);
  return row;
}

Result<std::optional<SigningKeyRow>> one_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<SigningKeyRow>();
  return std::optional(row_of(*rows, 0));
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

std::string_view name(Custody custody) { return custody == Custody::server ? "server" : "user"; }

Result<void> insert_signing_key(PgTransaction& tx, const SigningKeyRow& row) {
  const bool is_ours = row.custody == Custody::server;
  return done(
      tx.run("insert into signing_keys (id, user_id, algorithm, custody, key_id, public_key, kek_id, wrapped, "
             "valid_from, replaces) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
             {row.id, row.user_id, static_cast<int32_t>(row.algorithm), static_cast<int32_t>(row.custody), row.key_id,
              PgValue::octets(row.public_key), is_ours ? PgValue(row.kek_id) : PgValue::null(),
              is_ours ? PgValue::octets(row.wrapped) : PgValue::null(), row.valid_from, row.replaces}));
}

Result<std::optional<SigningKeyRow>> find_signing_key(PgTransaction& tx, const std::string& key_id) {
  return one_of(tx.run(std::string(kColumns) + "where key_id = $1", {key_id}));
}

Result<std::optional<SigningKeyRow>> read_signing_key(PgTransaction& tx, const Uuid& id) {
  return one_of(tx.run(std::string(kColumns) + "where id = $1 for update", {id}));
}

Result<std::optional<SigningKeyRow>> find_custodial_key(PgTransaction& tx, const Uuid& user_id) {
  return one_of(
      tx.run(std::string(kColumns) + "where user_id = $1 and custody = 2 and valid_to is null and revoked_at is null",
             {user_id}));
}

Result<std::vector<SigningKeyRow>> list_signing_keys(PgTransaction& tx, const std::optional<Uuid>& user_id) {
  auto rows = tx.run(std::string(kColumns) + "where $1::uuid is null or user_id = $1 order by id", {PgValue(user_id)});
  if (!rows) return rows.error();
  std::vector<SigningKeyRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(row_of(*rows, i));
  return out;
}

Result<void> end_signing_key(PgTransaction& tx, const Uuid& id, WallTime at) {
  return done(tx.run("update signing_keys set valid_to = $2 where id = $1 and valid_to is null", {id, at}));
}

Result<void> revoke_signing_key(PgTransaction& tx, const Uuid& id, WallTime at, const std::string& reason) {
  return done(
      tx.run("update signing_keys set revoked_at = $2, revoked_reason = $3 where id = $1 and revoked_at is null",
             {id, at, reason}));
}

}  // namespace signet
