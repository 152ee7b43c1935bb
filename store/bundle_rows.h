// What an evidence bundle takes from the log's own tables: the checkpoint to prove against, and what stands outside of
// the database about it. Any login that may read them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/audit_log.h"

namespace signet {

// The newest checkpoint that a witness cosigned, unless it is more than 10 minutes older than the newest of all: then
// that one. None: nothing was signed yet.
Result<std::optional<CheckpointRow>> witnessed_checkpoint(PgSession& session);
Result<std::optional<CheckpointRow>> witnessed_checkpoint(PgTransaction& tx);
Result<std::vector<std::string>> read_cosignatures(PgSession& session, int64_t size);  // lines of a signed note

struct StampRow {
  int64_t size = 0;
  std::string token;  // TimeStampToken, DER
  std::string note;   // of the checkpoint that it stamps; empty: that is gone
};
// Time stamps of checkpoints of at most `size` entries: the newest of each day, or one whose checkpoint is gone; the
// newest day first.
Result<std::vector<StampRow>> read_stamps(PgSession& session, int64_t size, int count_max);

}  // namespace signet
