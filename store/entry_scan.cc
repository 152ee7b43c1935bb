#include "store/entry_scan.h"

#include <algorithm>

#include "store/entry_query.h"

namespace signet {
namespace {

// Those about one message, or one person's messages, are found by what they are about, and are few; all others by
// walking the log.
bool is_narrow(const EntryFilter& f) { return f.message_id || f.reference || f.recipient_key || f.patient_key; }

EntryFilter of_all(EntryFilter filter) {
  filter.after_id.reset();
  return filter;
}

std::string columns(EntryDetail detail) {
  return kEntryColumns + (detail == EntryDetail::with_metadata ? std::string(", ") + kMetadataColumns : "");
}

}  // namespace

EntryScan::EntryScan(PgSession& session, EntryFilter filter, int64_t size, EntryDetail detail)
    : session_(session), filter_(of_all(std::move(filter))), size_(size), detail_(detail) {}

Result<std::vector<EntryRow>> EntryScan::next() {
  EntryWhere w = entry_where(filter_);
  const bool is_by_object = is_narrow(filter_);
  const int64_t end = is_by_object ? size_ : std::min(size_, position_ + kBatchMax);
  const std::string from = w.place(position_), to = w.place(end);
  const std::string joins = detail_ == EntryDetail::with_metadata ? kMetadataJoins : "";
  // `offset 0` keeps the planner to the indexes, whatever it believes of tables that were empty a moment ago.
  const std::string sql =
      is_by_object
          ? "select " + columns(detail_) + " from (select e.*, l.seq from (select e.* " + kEntryFrom + w.text +
                " offset 0) e join lateral (select seq from audit.log where log.event_id = e.event_id offset 0) l on "
                "true where l.seq >= " +
                from + " and l.seq < " + to + " order by l.seq limit " + std::to_string(kBatchMax) +
                ") e join lateral (select e.seq) l on true left join message m on "
                "m.id = e.object_id " +
                joins + " order by l.seq"
          : "select " + columns(detail_) + " from (select seq, event_id from audit.log where seq >= " + from +
                " and seq < " + to +
                " order by seq offset 0) l join lateral (select * from audit.entry where entry.event_id = l.event_id "
                "offset 0) e on true left join lateral (select * from message where message.id = e.object_id "
                "offset 0) m on true " +
                joins + w.text + " order by l.seq";
  auto rows = session_.run(sql, w.values);
  if (!rows) return rows.error();
  std::vector<EntryRow> out;
  out.reserve(static_cast<size_t>(rows->size()));
  for (int i = 0; i < rows->size(); i++) out.push_back(entry_row(*rows, i, detail_ == EntryDetail::with_metadata));
  const bool is_more = is_by_object && rows->size() == kBatchMax;
  position_ = is_more ? *out.back().seq + 1 : end;
  return out;
}

Result<int64_t> count_scanned(PgTransaction& tx, const EntryFilter& filter, int64_t size, int64_t most) {
  EntryWhere w = entry_where(of_all(filter));
  const std::string below = w.place(size);
  auto rows = tx.run("select count(*) from (select" + std::string(kEntryFrom) +
                         "join audit.log l on l.event_id = e.event_id and l.seq < " + below + w.text + " limit " +
                         std::to_string(most) + ") x",
                     w.values);
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

}  // namespace signet
