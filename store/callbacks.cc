#include "store/callbacks.h"

#include "store/pg_array.h"

namespace signet {
namespace {

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

Result<std::set<Uuid>> ids_of(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::set<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.insert(rows->uuid(i, 0));
  return out;
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
  PgArray id(PgType::uuid), provider(PgType::text), event(PgType::text), message(PgType::uuid), attempt(PgType::int2),
      reference(PgType::text), kind(PgType::int2), code(PgType::text), partial(PgType::boolean),
      sealed_by(PgType::text), sealed(PgType::bytea), received(PgType::timestamptz);
  for (const auto& c : rows) {
    id.add(c.id.view());
    provider.add(c.provider);
    event.add(c.event_id);
    c.message_id ? message.add(c.message_id->view()) : message.add_null();
    attempt.add_short(c.attempt_no);
    reference.add(c.provider_reference);
    kind.add_short(static_cast<int>(c.kind));
    code.add(c.provider_code);
    partial.add_flag(c.is_partial);
    sealed_by.add(c.sealed_by);
    sealed.add(c.sealed);
    received.add_time(c.received_at);
  }
  return ids_of(tx.run(
      "with c as (insert into callback (id, provider, event_id, message_id, attempt_no, provider_reference, kind, "
      "provider_code, is_partial, sealed_by, sealed, received_at) select * from unnest($1::uuid[], $2::text[], "
      "$3::text[], $4::uuid[], $5::int2[], $6::text[], $7::int2[], $8::text[], $9::bool[], $10::text[], $11::bytea[], "
      "$12::timestamptz[]) on conflict (provider, event_id) do nothing returning id) "
      "insert into callback_due (callback_id, due_at) select id, now() from c returning callback_id",
      {PgValue::array(id), PgValue::array(provider), PgValue::array(event), PgValue::array(message),
       PgValue::array(attempt), PgValue::array(reference), PgValue::array(kind), PgValue::array(code),
       PgValue::array(partial), PgValue::array(sealed_by), PgValue::array(sealed), PgValue::array(received)}));
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
  auto ended = finish_callbacks(tx, {id});
  if (!ended) return ended.error();
  return !ended->empty();
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

Result<std::set<Uuid>> finish_callbacks(PgTransaction& tx, const std::vector<Uuid>& ids) {
  if (ids.empty()) return std::set<Uuid>();
  return ids_of(
      tx.run("delete from callback_due where callback_id = any ($1) returning callback_id", {PgValue::uuids(ids)}));
}

Result<void> insert_confirmations(PgTransaction& tx, const std::vector<ConfirmationRow>& rows) {
  if (rows.empty()) return {};
  PgArray id(PgType::uuid), message(PgType::uuid), attempt(PgType::int2), kind(PgType::int2), callback(PgType::uuid),
      provider(PgType::text), code(PgType::text), effect(PgType::boolean), at(PgType::timestamptz);
  for (const auto& c : rows) {
    id.add(c.id.view());
    message.add(c.message_id.view());
    attempt.add_short(c.attempt_no);
    kind.add_short(static_cast<int>(c.kind));
    callback.add(c.callback_id.view());
    provider.add(c.provider);
    code.add(c.provider_code);
    effect.add_flag(c.took_effect);
    at.add_time(c.at);
  }
  return done(
      tx.run("insert into confirmation (id, message_id, attempt_no, kind, callback_id, provider, provider_code, "
             "took_effect, at) select * from unnest($1::uuid[], $2::uuid[], $3::int2[], $4::int2[], $5::uuid[], "
             "$6::text[], $7::text[], $8::bool[], $9::timestamptz[])",
             {PgValue::array(id), PgValue::array(message), PgValue::array(attempt), PgValue::array(kind),
              PgValue::array(callback), PgValue::array(provider), PgValue::array(code), PgValue::array(effect),
              PgValue::array(at)}));
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
