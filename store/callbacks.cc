#include "store/callbacks.h"

namespace signet {
namespace {

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

Result<std::optional<std::pair<std::string, std::string>>> key_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<std::pair<std::string, std::string>>();
  return std::optional(std::pair(rows->text(0, 0), rows->text(0, 1)));
}

constexpr char kColumns[] =
    "c.id, c.provider, c.event_id, c.message_id, c.attempt_no, c.provider_reference, c.kind, c.provider_code, "
    "c.is_partial, c.sealed_by, c.sealed, c.received_at";

Result<std::vector<CallbackRow>> callback_rows(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::vector<CallbackRow> out;
  for (int i = 0; i < rows->size(); i++) {
    CallbackRow c;
    c.id = rows->uuid(i, 0);
    c.provider = rows->text(i, 1);
    c.event_id = rows->text(i, 2);
    if (!rows->is_null(i, 3)) c.message_id = rows->uuid(i, 3);
    c.attempt_no = static_cast<int>(rows->number(i, 4));
    c.provider_reference = rows->text(i, 5);
    c.kind = static_cast<ReceiptKind>(rows->number(i, 6));
    c.provider_code = rows->text(i, 7);
    c.is_partial = rows->flag(i, 8);
    c.sealed_by = rows->text(i, 9);
    c.sealed = rows->text(i, 10);
    c.received_at = rows->time(i, 11);
    c.tries = static_cast<int>(rows->number(i, 12));
    c.age_ms = rows->number(i, 13);
    out.push_back(std::move(c));
  }
  return out;
}

}  // namespace

Result<bool> insert_callback(PgTransaction& tx, const CallbackRow& c) {
  auto rows = tx.run(
      "with c as (insert into callback (id, provider, event_id, message_id, attempt_no, provider_reference, kind, "
      "provider_code, is_partial, sealed_by, sealed, received_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
      "$11, $12) on conflict (provider, event_id) do nothing returning id) "
      "insert into callback_due (callback_id, due_at) select id, now() from c",
      {c.id, c.provider, c.event_id, c.message_id ? PgValue(*c.message_id) : PgValue::null(),
       static_cast<int32_t>(c.attempt_no), c.provider_reference, static_cast<int32_t>(c.kind), c.provider_code,
       PgValue(c.is_partial), c.sealed_by, PgValue::octets(c.sealed), c.received_at});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<std::vector<CallbackRow>> take_callbacks(PgTransaction& tx, int count_max, int64_t lease_ms) {
  return callback_rows(
      tx.run(std::string("with d as materialized (select callback_id, tries from callback_due where due_at <= now() "
                         "order by due_at limit $1 for update skip locked), l as (update callback_due set due_at = "
                         "now() + $2 * interval '1 millisecond' from d where callback_due.callback_id = "
                         "d.callback_id) select ") +
                 kColumns +
                 ", d.tries, (extract(epoch from now() - c.received_at) * 1000)::bigint from d join callback c on "
                 "c.id = d.callback_id order by c.id",
             {static_cast<int32_t>(count_max), lease_ms}));
}

Result<std::vector<CallbackRow>> list_callbacks(PgTransaction& tx, const Uuid& message_id) {
  return callback_rows(tx.run(
      std::string("select ") + kColumns + ", 0::int, 0::bigint from callback c where c.message_id = $1 order by c.id",
      {message_id}));
}

Result<std::optional<CallbackRow>> read_callback(PgTransaction& tx, const Uuid& id) {
  auto rows =
      callback_rows(tx.run(std::string("select ") + kColumns + ", 0::int, 0::bigint from callback c where c.id = $1", {id}));
  if (!rows) return rows.error();
  return rows->empty() ? std::nullopt : std::optional(std::move(rows->front()));
}

Result<bool> is_confirmation(PgTransaction& tx, const Uuid& callback_id) {
  auto rows = tx.run("select from confirmation where callback_id = $1 limit 1", {callback_id});
  if (!rows) return rows.error();
  return rows->size() > 0;
}

Result<bool> finish_callback(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run("delete from callback_due where callback_id = $1", {id});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<void> insert_confirmation(PgTransaction& tx, const ConfirmationRow& c) {
  return done(
      tx.run("insert into confirmation (id, message_id, attempt_no, kind, callback_id, provider, "
             "provider_code, took_effect, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
             {c.id, c.message_id, static_cast<int32_t>(c.attempt_no), static_cast<int32_t>(c.kind), c.callback_id,
              c.provider, c.provider_code, PgValue(c.took_effect), c.at}));
}

Result<std::optional<std::pair<std::string, std::string>>> read_data_key(PgTransaction& tx, const Uuid& message_id) {
  return key_of(tx.run("select kek_id, wrapped from data_key where message_id = $1", {message_id}));
}

Result<std::optional<std::pair<std::string, std::string>>> read_day_key(PgTransaction& tx, const std::string& day) {
  return key_of(tx.run("select kek_id, wrapped from day_key where day = $1::text::date", {day}));
}

Result<void> insert_day_key(PgTransaction& tx, const std::string& day, const std::string& kek_id,
                            std::string_view wrapped) {
  return done(tx.run("insert into day_key values ($1::text::date, $2, $3) on conflict do nothing",
                     {day, kek_id, PgValue::octets(wrapped)}));
}

}  // namespace signet
