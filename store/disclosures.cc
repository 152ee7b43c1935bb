#include "store/disclosures.h"

namespace signet {
namespace {

constexpr char kBreakGlass[] =
    "exists (select from break_glass b where b.user_id = actor_id and at >= b.opened_at and at < b.until) ";

Result<std::vector<DisclosureEntry>> entries(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  std::vector<DisclosureEntry> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back(
        {rows->uuid(i, 0), rows->is_null(i, 1) ? Uuid() : rows->uuid(i, 1), rows->text(i, 2), rows->flag(i, 3)});
  return out;
}

}  // namespace

Result<std::vector<DisclosureEntry>> list_disclosures(PgTransaction& tx, const std::vector<Uuid>& messages,
                                                      std::optional<WallTime> from, std::optional<WallTime> before) {
  return entries(tx.run(
      std::string("select event_id, object_id, canon, ") + kBreakGlass +
          "from audit.entry where object_id = any($1) and action in ('sent', "
          "'delivery_confirmed', 'delivery_in_doubt', 'content_read', 'diff_read', 'provenance_read', 'evidence_read') "
          "and ($2::timestamptz is null or at >= $2) and ($3::timestamptz is null or at < $3) order by event_id",
      {PgValue::uuids(messages), PgValue(from), PgValue(before)}));
}

Result<std::vector<DisclosureEntry>> list_wide_disclosures(PgTransaction& tx, std::optional<WallTime> from,
                                                           std::optional<WallTime> before, int count_max) {
  return entries(tx.run(std::string("select event_id, null::uuid, canon, ") + kBreakGlass +
                            "from audit.entry where action in ('export', 'audit_read', 'audit_searched') "
                            "and 'true' in (convert_from(canon, 'UTF8')::json #>> '{detail,includeContent}', "
                            "convert_from(canon, 'UTF8')::json #>> '{detail,withContent}') "
                            "and ($1::timestamptz is null or at >= $1) and ($2::timestamptz is null or at < $2) "
                            "order by event_id desc limit $3",
                        {PgValue(from), PgValue(before), static_cast<int32_t>(count_max)}));
}

}  // namespace signet
