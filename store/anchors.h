// What stands outside the database about a checkpoint, and its trace in here (audit.anchor; insert-only).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/pg_session.h"

namespace signet {

// Anchor::kind.
inline constexpr char kAnchorFolder[] = "folder";    // token: SHA-256 of the file
inline constexpr char kAnchorWitness[] = "witness";  // token: its signature line for the checkpoint's note
inline constexpr char kAnchorTsa[] = "tsa";          // token: DER of an RFC 3161 TimeStampToken over the note

struct Anchor {
  int64_t size = 0;  // of the checkpoint
  std::string kind;
  std::string token;
  WallTime created_at;  // the database's word
};
// Only what was verified; by the login signet_sequencer.
Result<void> insert_anchor(PgSession& session, int64_t size, const std::string& kind, std::string_view token);
Result<std::optional<Anchor>> newest_anchor(PgSession& session, const std::string& kind);
Result<std::vector<Anchor>> list_anchors(PgSession& session, int count_max);  // the newest first

struct AnchoredCheckpoint {
  Anchor anchor;
  std::string note;  // of the checkpoint as it is stored now; empty: it is gone
};
// Of one kind, by size, those above `past`.
Result<std::vector<AnchoredCheckpoint>> read_anchored(PgSession& session, const std::string& kind, int64_t past,
                                                      int count_max);
// The stored checkpoint's note; empty: there is none of this size.
Result<std::string> checkpoint_note(PgSession& session, int64_t size);
// For how long the oldest checkpoint has waited that is newer than every anchor of this kind; 0: none waits. An idle
// log makes no checkpoints, so nothing waits then.
Result<int64_t> unanchored_ms(PgSession& session, const std::string& kind);

}  // namespace signet
