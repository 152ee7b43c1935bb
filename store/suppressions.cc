#include "store/suppressions.h"

#include "store/messages.h"

namespace signet {
namespace {

constexpr char kColumns[] = "s.id, s.recipient_key, s.channel, s.reason, s.source, s.added_by, s.created_at";

Result<std::vector<SuppressionRow>> suppression_rows(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::vector<SuppressionRow> out;
  for (int i = 0; i < rows->size(); i++) {
    SuppressionRow row{rows->uuid(i, 0), rows->text(i, 1), static_cast<DeliveryMethod>(rows->number(i, 2)),
                       rows->text(i, 3), rows->text(i, 4), {},
                       rows->time(i, 6)};
    if (!rows->is_null(i, 5)) row.added_by = rows->uuid(i, 5);
    out.push_back(std::move(row));
  }
  return out;
}

Result<std::optional<SuppressionRow>> only_row(const Result<PgRows>& rows) {
  auto found = suppression_rows(rows);
  if (!found) return found.error();
  return found->empty() ? std::nullopt : std::optional(std::move(found->front()));
}

}  // namespace

Result<bool> is_suppressed(PgTransaction& tx, std::string_view recipient_key) {
  auto rows = tx.run("select from suppressions where recipient_key = $1", {PgValue::octets(recipient_key)});
  if (!rows) return rows.error();
  return rows->size() > 0;
}

Result<bool> add_suppression(PgTransaction& tx, const NewSuppression& added) {
  const SuppressionRow& row = added.row;
  auto rows = tx.run(
      "insert into suppressions (id, recipient_key, channel, reason, source, added_by) values ($1, $2, $3, $4, $5, $6) "
      "on conflict (recipient_key) do nothing",
      {row.id, PgValue::octets(row.recipient_key), static_cast<int32_t>(row.channel), row.reason, row.source,
       PgValue(row.added_by)});
  if (!rows) return rows.error();
  if (rows->affected() == 0) return false;
  if (auto written = insert_entry(tx, added.entry); !written) return written.error();
  return true;
}

Result<std::vector<SuppressionRow>> list_suppressions(PgTransaction& tx, const SuppressionFilter& filter) {
  const PgValue channel =
      filter.channel ? PgValue(static_cast<int32_t>(*filter.channel)) : PgValue(std::optional<int32_t>());
  const PgValue key = filter.recipient_key ? PgValue::octets(*filter.recipient_key) : PgValue::null();
  return suppression_rows(tx.run(
      std::string("select ") + kColumns +
          " from suppressions s where ($1::int is null or s.channel = $1) and ($2::text is null or s.reason = $2) and "
          "($3::text is null or s.source = $3) and ($4::bytea is null or s.recipient_key = $4) and "
          "($5::uuid is null or s.id < $5) order by s.id desc limit $6",
      {channel, PgValue(filter.reason), PgValue(filter.source), key, PgValue(filter.before_id),
       static_cast<int32_t>(filter.count_max)}));
}

Result<std::optional<SuppressionRow>> lock_suppression(PgTransaction& tx, const Uuid& id) {
  return only_row(tx.run(std::string("select ") + kColumns + " from suppressions s where s.id = $1 for update", {id}));
}

Result<std::optional<SuppressionRow>> lock_suppression_of(PgTransaction& tx, std::string_view recipient_key) {
  return only_row(
      tx.run(std::string("select ") + kColumns + " from suppressions s where s.recipient_key = $1 for update",
             {PgValue::octets(recipient_key)}));
}

Result<void> remove_suppression(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run("delete from suppressions where id = $1", {id});
  if (!rows) return rows.error();
  return {};
}

}  // namespace signet
