#include "store/bundle_rows.h"

#include <set>

namespace signet {
namespace {

template <class Session>
Result<std::optional<CheckpointRow>> witnessed(Session& session) {
  auto rows = session.run(
      "with newest as (select size, created_at from audit.checkpoint order by size desc limit 1), cosigned as "
      "(select c.size from audit.checkpoint c, newest n where c.created_at >= n.created_at - interval '10 minutes' and "
      "exists (select from audit.anchor a where a.size = c.size and a.kind = 'witness') order by c.size desc limit 1) "
      "select size, root, note from audit.checkpoint where size = coalesce((select size from cosigned), "
      "(select size from newest))");
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<CheckpointRow>();
  return std::optional(CheckpointRow{rows->number(0, 0), digest_from(rows->octets(0, 1)), rows->text(0, 2)});
}

}  // namespace

Result<std::optional<CheckpointRow>> witnessed_checkpoint(PgSession& session) { return witnessed(session); }
Result<std::optional<CheckpointRow>> witnessed_checkpoint(PgTransaction& tx) { return witnessed(tx); }

Result<std::vector<std::string>> read_cosignatures(PgSession& session, int64_t size) {
  auto rows = session.run(
      "select convert_from(token, 'UTF8') from audit.anchor where size = $1 and kind = 'witness' order by created_at",
      {size});
  if (!rows) return rows.error();
  std::vector<std::string> out;
  std::set<std::string> known;
  for (int i = 0; i < rows->size(); i++)
    if (known.insert(rows->text(i, 0)).second) out.push_back(rows->text(i, 0));
  return out;
}

Result<std::vector<StampRow>> read_stamps(PgSession& session, int64_t size, int count_max) {
  auto rows = session.run(
      "select size, token, note from (select distinct on ((a.created_at at time zone 'UTC')::date) a.size, a.token, "
      "c.note, a.created_at from audit.anchor a left join audit.checkpoint c on c.size = a.size where a.kind = 'tsa' "
      "and a.size <= $1 order by (a.created_at at time zone 'UTC')::date, (c.size is null) desc, a.created_at desc) x "
      "order by created_at desc limit " +
          std::to_string(count_max),
      {size});
  if (!rows) return rows.error();
  std::vector<StampRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back({rows->number(i, 0), rows->text(i, 1), rows->text(i, 2)});
  return out;
}

}  // namespace signet
