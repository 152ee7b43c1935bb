#include "store/callbacks.h"

#include "base/bytes.h"

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

Result<std::set<Uuid>> insert_callbacks(PgTransaction& tx, const std::vector<CallbackRow>& rows) {
  std::vector<Uuid> ids;
  std::vector<std::string> providers, events, messages, attempts, references, kinds, codes, partials, sealed_by, sealed,
      received;
  for (const auto& c : rows) {
    ids.push_back(c.id);
    providers.push_back(c.provider);
    events.push_back(c.event_id);
    messages.push_back(c.message_id ? c.message_id->text() : "");
    attempts.push_back(std::to_string(c.attempt_no));
    references.push_back(c.provider_reference);
    kinds.push_back(std::to_string(static_cast<int>(c.kind)));
    codes.push_back(c.provider_code);
    partials.emplace_back(c.is_partial ? "true" : "false");
    sealed_by.push_back(c.sealed_by);
    sealed.push_back(to_hex(c.sealed));
    received.push_back(rfc3339(c.received_at));
  }
  auto added = tx.run(
      "with c as (insert into callback (id, provider, event_id, message_id, attempt_no, provider_reference, kind, "
      "provider_code, is_partial, sealed_by, sealed, received_at) select id, provider, event_id, nullif(message_id, "
      "'')::uuid, attempt_no::int, provider_reference, kind::int, provider_code, is_partial::boolean, sealed_by, "
      "decode(sealed, 'hex'), received_at::timestamptz from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], "
      "$5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) u(id, "
      "provider, event_id, message_id, attempt_no, provider_reference, kind, provider_code, is_partial, sealed_by, "
      "sealed, received_at) on conflict (provider, event_id) do nothing returning id) "
      "insert into callback_due (callback_id, due_at) select id, now() from c returning callback_id",
      {PgValue::uuids(ids), PgValue::texts(providers), PgValue::texts(events), PgValue::texts(messages),
       PgValue::texts(attempts), PgValue::texts(references), PgValue::texts(kinds), PgValue::texts(codes),
       PgValue::texts(partials), PgValue::texts(sealed_by), PgValue::texts(sealed), PgValue::texts(received)});
  if (!added) return added.error();
  std::set<Uuid> out;
  for (int i = 0; i < added->size(); i++) out.insert(added->uuid(i, 0));
  return out;
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
  auto rows = callback_rows(
      tx.run(std::string("select ") + kColumns + ", 0::int, 0::bigint from callback c where c.id = $1", {id}));
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

Result<std::map<Uuid, std::vector<PartReceipt>>> list_part_receipts(PgTransaction& tx,
                                                                    const std::vector<Uuid>& message_ids) {
  auto rows = tx.run(
      "select f.message_id, f.attempt_no, c.provider_reference, f.kind from unnest($1::uuid[]) u(id) cross join "
      "lateral "
      "(select * from confirmation a where a.message_id = u.id offset 0) f cross join lateral (select "
      "provider_reference from callback a where a.id = f.callback_id offset 0) c",
      {PgValue::uuids(message_ids)});
  if (!rows) return rows.error();
  std::map<Uuid, std::vector<PartReceipt>> out;
  for (int i = 0; i < rows->size(); i++)
    out[rows->uuid(i, 0)].push_back(
        {static_cast<int>(rows->number(i, 1)), rows->text(i, 2), static_cast<ReceiptKind>(rows->number(i, 3))});
  return out;
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

Result<std::map<Uuid, std::pair<std::string, std::string>>> read_data_keys(PgTransaction& tx,
                                                                           const std::vector<Uuid>& message_ids) {
  std::map<Uuid, std::pair<std::string, std::string>> out;
  if (message_ids.empty()) return out;
  auto rows = tx.run("select message_id, kek_id, wrapped from data_key where message_id = any($1)",
                     {PgValue::uuids(message_ids)});
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++) out[rows->uuid(i, 0)] = {rows->text(i, 1), rows->text(i, 2)};
  return out;
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
