// Many entries in the order of the log, a piece at a time. What has its place never changes, so each piece is a
// statement of its own and sees what the first one saw: no transaction stays open, which would keep the server from
// clearing away what deliveries leave behind. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "store/audit_entries.h"

namespace signet {

enum class EntryDetail { plain, with_metadata };  // of EntryRow: what is known of its message, or not

class EntryScan {
 public:
  static constexpr int kBatchMax = 2000;
  // Entries with places below `size` that the filter takes, whose after_id and count_max do not count here.
  EntryScan(PgSession& session, EntryFilter filter, int64_t size, EntryDetail detail);
  // The next ones, at most kBatchMax; may be none before the end.
  Result<std::vector<EntryRow>> next();
  bool is_done() const { return position_ >= size_; }
  int64_t position() const { return position_; }  // places that were looked at, out of `size`

 private:
  PgSession& session_;
  const EntryFilter filter_;
  const int64_t size_;
  const EntryDetail detail_;
  int64_t position_ = 0;
};

// How many there are, as far as `most`.
Result<int64_t> count_scanned(PgTransaction& tx, const EntryFilter& filter, int64_t size, int64_t most);

}  // namespace signet
