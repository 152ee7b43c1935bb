#include "store/pauses.h"

#include "message/message.h"

namespace signet {

std::string_view name(PauseScope scope) { return scope == PauseScope::priority ? "priority" : "provider"; }

Result<bool> pause(PgTransaction& tx, const PauseRow& row) {
  auto rows =
      tx.run("insert into pause (scope, name, by_user, at, reason) values ($1, $2, $3, $4, $5) on conflict do nothing",
             {name(row.scope), row.name, row.by_user, row.at, row.reason});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<bool> resume(PgTransaction& tx, PauseScope scope, const std::string& name) {
  auto rows = tx.run("delete from pause where scope = $1 and name = $2", {signet::name(scope), name});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

namespace {

constexpr char kListSql[] = "select scope, name, reason, by_user, at from pause order by scope, name";

std::vector<PauseRow> all_of(const PgRows& rows) {
  std::vector<PauseRow> out;
  for (int i = 0; i < rows.size(); i++)
    out.push_back({rows.octets(i, 0) == "priority" ? PauseScope::priority : PauseScope::provider, rows.text(i, 1),
                   rows.text(i, 2), rows.uuid(i, 3), rows.time(i, 4)});
  return out;
}

}  // namespace

Result<std::vector<PauseRow>> list_pauses(PgTransaction& tx) {
  auto rows = tx.run(kListSql);
  if (!rows) return rows.error();
  return all_of(*rows);
}

Result<Pauses> read_pauses(PgSession& session) {
  auto rows = session.run(kListSql);
  if (!rows) return rows.error();
  Pauses out;
  for (const auto& row : all_of(*rows)) {
    const auto priority = parse_priority(row.name);
    if (row.scope == PauseScope::provider)
      out.providers.insert(row.name);
    else if (priority)
      out.priorities[static_cast<size_t>(*priority) - 1] = true;
  }
  return out;
}

}  // namespace signet
