#include "store/key_rotation.h"

#include "base/bytes.h"

namespace signet {
namespace {

struct Columns {
  const char* owner;  // unique
  const char* type;
};
Columns columns_of(const WrappedTable& table) {
  if (table.name == "day_key") return {"day", "date"};
  if (table.name == "signing_keys") return {"id", "uuid"};
  return {"message_id", "uuid"};
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

const std::vector<WrappedTable>& wrapped_tables() {
  static const std::vector<WrappedTable> tables{
      {"data_key", "data_key"}, {"day_key", "data_key"}, {"signing_keys", "signing_key"}};
  return tables;
}

Result<std::vector<std::string>> wrapping_keys(PgSession& session) {
  // From one key's id to the next along the index: there may be millions of data keys.
  auto rows = session.run(
      "with recursive k as (select (select min(kek_id) from data_key) as id union all "
      "select (select min(d.kek_id) from data_key d where d.kek_id > k.id) from k where k.id is not null) "
      "select id from k where id is not null union select kek_id from day_key "
      "union select kek_id from signing_keys where kek_id is not null order by 1");
  if (!rows) return rows.error();
  std::vector<std::string> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->text(i, 0));
  return out;
}

Result<int64_t> count_wrapped(PgSession& session, const std::string& kek_id) {
  int64_t count = 0;
  for (const auto& table : wrapped_tables()) {
    auto rows = session.run("select count(*) from " + std::string(table.name) + " where kek_id = $1", {kek_id});
    if (!rows) return rows.error();
    count += rows->number(0, 0);
  }
  return count;
}

Result<std::vector<WrappedRow>> lock_wrapped(PgTransaction& tx, const WrappedTable& table, const std::string& kek_id,
                                             const std::string& after, int count_max) {
  const auto [owner, type] = columns_of(table);
  const std::string key(owner);
  auto rows = tx.run("select " + key + "::text, wrapped from " + std::string(table.name) +
                         " where kek_id = $1 and ($2 = '' or " + key + " > nullif($2, '')::" + type + ") order by " +
                         key + " limit $3 for no key update skip locked",
                     {kek_id, after, static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<WrappedRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back({rows->text(i, 0), rows->text(i, 1)});
  return out;
}

Result<void> replace_wrapped(PgTransaction& tx, const WrappedTable& table, const std::string& kek_id,
                             const std::vector<WrappedRow>& rows) {
  std::vector<std::string> owners, wrapped;
  for (const auto& row : rows) {
    owners.push_back(row.owner);
    wrapped.push_back(to_hex(row.wrapped));
  }
  const auto [owner, type] = columns_of(table);
  return done(tx.run("update " + std::string(table.name) +
                         " t set kek_id = $1, wrapped = decode(u.wrapped, 'hex') from unnest($2::text[], $3::text[]) "
                         "u(owner, wrapped) where t." +
                         owner + " = u.owner::" + type,
                     {kek_id, PgValue::texts(owners), PgValue::texts(wrapped)}));
}

Result<void> count_rewrapped(PgTransaction& tx, const KeyRotation& more, WallTime now) {
  return done(tx.run(
      "insert into key_rotation (id, from_id, to_id, rows, began_at) values ($1, $2, $3, $4, $5) "
      "on conflict (from_id, to_id) where ended_at is null do update set rows = key_rotation.rows + excluded.rows",
      {more.id, more.from, more.to, more.rows, now}));
}

Result<std::optional<KeyRotation>> open_rotation(PgTransaction& tx, const std::string& from, const std::string& to) {
  auto rows =
      tx.run("select id, rows from key_rotation where from_id = $1 and to_id = $2 and ended_at is null for update",
             {from, to});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<KeyRotation>();
  return std::optional(KeyRotation{rows->uuid(0, 0), from, to, rows->number(0, 1)});
}

Result<void> end_rotation(PgTransaction& tx, const Uuid& id, WallTime now) {
  return done(tx.run("update key_rotation set ended_at = $2 where id = $1", {id, now}));
}

}  // namespace signet
