// What the queries over audit entries share, in this room: a filter as conditions, and an entry's columns. `e` stands
// for the entry, `l` for its place in the log, `m` for its message.
#pragma once

#include <string>
#include <vector>

#include "store/audit_entries.h"

namespace signet {

struct EntryWhere {
  std::string place(PgValue value);  // "$3"
  void add(const std::string& condition) { text += " and " + condition; }

  std::string text = " where true";
  std::vector<PgValue> values;
};
// All of the filter but count_max.
EntryWhere entry_where(const EntryFilter& filter);

inline constexpr char kEntryFrom[] = " from audit.entry e left join message m on m.id = e.object_id ";
inline constexpr char kEntryColumns[] = "e.event_id, e.canon, l.seq, m.id, m.kind, e.leaf, e.at, e.action";
// What is joined is as of the event: nothing that came later shows in it.
inline constexpr char kMetadataColumns[] =
    "p.signer_id, p.at, a.retries, a.last_at, r.reason, f.primary_model, coalesce(f.tokens_consumed, 0)";
inline constexpr char kMetadataJoins[] =
    "left join message_facts f on f.message_id = m.id "
    "left join lateral (select signer_id, at from approval where approval.message_id = m.id "
    "and approval.at <= e.at order by approval.at desc limit 1) p on true "
    "left join lateral (select greatest(count(*) - 1, 0)::int as retries, "
    "case when count(*) > 1 then max(permitted_at) end as last_at from attempt_start "
    "where attempt_start.message_id = m.id and attempt_start.kind = 1 and attempt_start.permitted_at <= e.at) a on "
    "true "
    "left join lateral (select reason from attempt_result where attempt_result.message_id = m.id "
    "and attempt_result.outcome <> 1 and attempt_result.finished_at <= e.at order by finished_at desc limit 1) r "
    "on true";
// Of rows that begin with kEntryColumns, and go on with kMetadataColumns if so said.
EntryRow entry_row(const PgRows& rows, int i, bool has_metadata);

}  // namespace signet
