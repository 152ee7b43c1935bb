#include "store/break_glass.h"

namespace signet {
namespace {

constexpr char kColumns[] =
    "select id, user_id, sealed_by::text, reason, opened_at, until, reviewed_by, reviewed_at from break_glass ";

BreakGlassRow row_of(const PgRows& rows, int i) {
  BreakGlassRow row{rows.uuid(i, 0), rows.uuid(i, 1), rows.text(i, 2), rows.text(i, 3),
                    rows.time(i, 4), rows.time(i, 5), std::nullopt,    rows.optional_time(i, 7)};
  if (!rows.is_null(i, 6)) row.reviewed_by = rows.uuid(i, 6);
  return row;
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

}  // namespace

Result<void> insert_break_glass(PgTransaction& tx, const BreakGlassRow& row) {
  return done(
      tx.run("insert into break_glass (id, user_id, sealed_by, reason, opened_at, until) values ($1, $2, "
             "$3::text::date, $4, $5, $6)",
             {row.id, row.user_id, row.sealed_by, PgValue::octets(row.reason), row.opened_at, row.until}));
}

Result<std::vector<BreakGlassRow>> list_break_glass(PgTransaction& tx, int count_max) {
  auto rows = tx.run(std::string(kColumns) + "order by reviewed_at is not null, id desc limit $1",
                     {static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<BreakGlassRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(row_of(*rows, i));
  return out;
}

Result<std::optional<BreakGlassRow>> lock_break_glass(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(std::string(kColumns) + "where id = $1 for update", {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<BreakGlassRow>();
  return std::optional(row_of(*rows, 0));
}

Result<void> review_break_glass(PgTransaction& tx, const Uuid& id, const Uuid& reviewer_id, WallTime now) {
  return done(tx.run("update break_glass set reviewed_by = $2, reviewed_at = $3 where id = $1 and reviewed_at is null",
                     {id, reviewer_id, now}));
}

}  // namespace signet
