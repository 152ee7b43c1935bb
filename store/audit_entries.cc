#include "store/audit_entries.h"

#include "store/entry_query.h"

namespace signet {

Result<std::vector<EntryRow>> list_entries(PgTransaction& tx, const EntryFilter& filter) {
  const EntryWhere w = entry_where(filter);
  auto rows = tx.run("select " + std::string(kEntryColumns) + ", " + kMetadataColumns +
                         " from (select e.event_id, e.canon, e.leaf, e.at, e.action, e.object_id" + kEntryFrom +
                         w.text + " order by e.event_id desc limit " + std::to_string(filter.count_max) +
                         ") e left join audit.log l on l.event_id = e.event_id left join message m on "
                         "m.id = e.object_id " +
                         kMetadataJoins + " order by e.event_id desc",
                     w.values);
  if (!rows) return rows.error();
  std::vector<EntryRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(entry_row(*rows, i, true));
  return out;
}

Result<EntryStatistics> count_entries(PgTransaction& tx, const EntryFilter& filter) {
  const EntryWhere w = entry_where(filter);
  auto rows =
      tx.run("with e as materialized (select e.action, e.actor_id, e.status, (e.at at time zone 'UTC')::date as day" +
                 std::string(kEntryFrom) + w.text +
                 ") select 0, '', count(*) from e "
                 "union all (select 1, action, count(*) from e group by action) "
                 "union all (select 2, coalesce(actor_id::text, ''), count(*) from e group by actor_id) "
                 "union all (select 3, status::text, count(*) from e where status is not null group by status) "
                 "union all (select 4, day::text, count(*) from e group by day) order by 1, 2",
             w.values);
  if (!rows) return rows.error();
  EntryStatistics out;
  for (int i = 0; i < rows->size(); i++) {
    EntryCount row{rows->text(i, 1), rows->number(i, 2)};
    switch (rows->number(i, 0)) {
      case 0:
        out.total = row.count;
        break;
      case 1:
        out.by_action.push_back(std::move(row));
        break;
      case 2:
        out.by_actor.push_back(std::move(row));
        break;
      case 3:
        row.key = name(static_cast<Status>(std::stoi(row.key)));
        out.by_status.push_back(std::move(row));
        break;
      default:
        out.by_day.push_back(std::move(row));
    }
  }
  return out;
}

Result<bool> has_user_agent(PgTransaction& tx, const Digest& sha256) {
  auto rows = tx.run("select from audit.user_agent where sha256 = $1", {PgValue::octets(view(sha256))});
  if (!rows) return rows.error();
  return rows->size() > 0;
}

Result<void> insert_user_agent(PgTransaction& tx, const Digest& sha256, const std::string& sealed_by,
                               std::string_view sealed) {
  auto rows =
      tx.run("insert into audit.user_agent (sha256, sealed_by, sealed) values ($1, $2, $3) on conflict do nothing",
             {PgValue::octets(view(sha256)), sealed_by, PgValue::octets(sealed)});
  if (!rows) return rows.error();
  return {};
}

Result<void> insert_note(PgTransaction& tx, const NoteRow& n) {
  auto rows = tx.run("insert into audit.note (event_id, message_id, sealed_by, sealed) values ($1, $2, $3, $4)",
                     {n.event_id, PgValue(n.message_id), n.sealed_by, PgValue::octets(n.sealed)});
  if (!rows) return rows.error();
  return {};
}

Result<std::optional<NoteRow>> read_note(PgTransaction& tx, const Uuid& event_id) {
  auto rows = tx.run("select message_id, sealed_by, sealed from audit.note where event_id = $1", {event_id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<NoteRow>();
  NoteRow note;
  note.event_id = event_id;
  if (!rows->is_null(0, 0)) note.message_id = rows->uuid(0, 0);
  note.sealed_by = rows->text(0, 1);
  note.sealed = rows->text(0, 2);
  return std::optional(std::move(note));
}

}  // namespace signet
