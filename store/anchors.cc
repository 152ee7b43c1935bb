#include "store/anchors.h"

#include <algorithm>

namespace signet {
namespace {

constexpr char kColumns[] = "select a.size, a.kind, a.token, a.created_at";

Anchor anchor_of(const PgRows& rows, int row) {
  return {rows.number(row, 0), rows.text(row, 1), rows.text(row, 2), rows.time(row, 3)};
}

}  // namespace

Result<void> insert_anchor(PgSession& session, int64_t size, const std::string& kind, std::string_view token) {
  auto rows = session.run("insert into audit.anchor (size, kind, token, status) values ($1, $2, $3, 'verified')",
                          {size, kind, PgValue::octets(token)});
  if (!rows) return rows.error();
  return {};
}

Result<std::optional<Anchor>> newest_anchor(PgSession& session, const std::string& kind) {
  auto rows =
      session.run(std::string(kColumns) + " from audit.anchor a where kind = $1 order by size desc limit 1", {kind});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<Anchor>();
  return std::optional(anchor_of(*rows, 0));
}

Result<std::vector<Anchor>> list_anchors(PgSession& session, int count_max) {
  auto rows =
      session.run(std::string(kColumns) +
                      " from unnest($2::text[]) k(kind) cross join lateral (select * from "
                      "audit.anchor b where b.kind = k.kind order by b.size desc limit $1) a "
                      "order by a.created_at desc, a.size desc limit $1",
                  {static_cast<int32_t>(count_max), PgValue::texts({kAnchorFolder, kAnchorWitness, kAnchorTsa})});
  if (!rows) return rows.error();
  std::vector<Anchor> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(anchor_of(*rows, i));
  return out;
}

Result<std::vector<AnchoredCheckpoint>> read_anchored(PgSession& session, const std::string& kind, int64_t past,
                                                      int count_max) {
  auto rows = session.run(std::string(kColumns) +
                              ", coalesce(c.note, '') from (select * from audit.anchor where "
                              "kind = $1 and size > $2 order by size limit $3) a left join audit.checkpoint c "
                              "on c.size = a.size order by a.size",
                          {kind, past, static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<AnchoredCheckpoint> out;
  for (int i = 0; i < rows->size(); i++) out.push_back({anchor_of(*rows, i), rows->text(i, 4)});
  return out;
}

Result<std::string> checkpoint_note(PgSession& session, int64_t size) {
  auto rows = session.run("select note from audit.checkpoint where size = $1", {size});
  if (!rows) return rows.error();
  return rows->size() == 0 ? std::string() : rows->text(0, 0);
}

Result<int64_t> unanchored_ms(PgSession& session, const std::string& kind) {
  auto rows = session.run(
      "select (extract(epoch from clock_timestamp() - created_at) * 1000)::bigint from audit.checkpoint where size > "
      "coalesce((select size from audit.anchor where kind = $1 order by size desc limit 1), -1) order by size limit 1",
      {kind});
  if (!rows) return rows.error();
  return rows->size() == 0 ? 0 : std::max<int64_t>(0, rows->number(0, 0));
}

}  // namespace signet
