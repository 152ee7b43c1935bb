// Holds what stands outside the database against the log as it is now (design: evidence, "Anchors"). Whoever owns the
// database can rewrite all of it so that it agrees with itself, and it does not agree with these.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/note.h"
#include "daemon/evidence/checkpoint_folder.h"
#include "store/anchors.h"

namespace signet {

struct AnchorSources {                     // those that are configured
  std::optional<CheckpointFolder> folder;  // audit.anchors.worm_dir
  std::optional<NoteKey> witness;          // audit.anchors.witness_key
  std::string tsa_ca_file;                 // empty: no time stamps
  std::vector<std::string> kinds() const;  // of store/anchors.h
};

// IntegrityFault::what, seq being the checkpoint's size:
//   anchor_conflict  the folder holds another checkpoint of this size than the one that was to be written
//   anchor_folder    a checkpoint in the folder is not what the log says now, or is gone from there
//   witness          the witness has seen another history; or what it signed is not the checkpoint that is stored
//   time_stamp       what was stamped is not the checkpoint that is stored, or is not what the log says now
struct AnchorFault {
  std::string what;
  int64_t size = 0;
  std::string text;  // why, for the log: names the file if there is one
};

class AnchorCheck {  // one thread
 public:
  AnchorCheck(const AnchorSources& sources, const NoteKey& log) : sources_(sources), log_(log) {}

  // The newest of each kind, and a slice of the others from where the last call ended, round and round. `session`: any
  // login that may read the log. Errors are the session's or the folder's.
  Result<std::vector<AnchorFault>> check(PgSession& session);

 private:
  struct LogNow;
  Result<void> check_files(LogNow& now, std::vector<AnchorFault>& out);
  Result<std::string> object_to_file(LogNow& now, int64_t size);  // empty: no objection
  Result<void> check_rows(LogNow& now, const std::string& kind, std::vector<AnchorFault>& out);
  Result<std::optional<AnchorFault>> check_row(LogNow& now, const AnchoredCheckpoint& row);

  const AnchorSources& sources_;
  const NoteKey& log_;
  int64_t file_past_ = -1;
  std::map<std::string, int64_t> row_past_;  // by kind
};

}  // namespace signet
