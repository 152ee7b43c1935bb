// Reads all that the log holds and all that it names, from one snapshot of the database, and says what does not verify
// (design: evidence, "Verification", L3; L2 takes slices of it). Two sessions read side by side: one the log in its
// order, on the caller's thread; one the messages, on a thread of its own. Memory does not grow with the log.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "audit/note.h"
#include "base/clock.h"
#include "daemon/evidence/background_share.h"
#include "daemon/evidence/discrepancy.h"
#include "store/keyring.h"
#include "store/pg_session.h"

namespace signet {

struct VerificationParts {
  PgOptions postgres;  // of a login that may read everything: signet_verify
  const NoteKey& log;
  const Keyring& keys;
  const Clock& clock;
  BackgroundShare* share = nullptr;  // null: at full speed
};

struct VerificationRange {
  int64_t from = 0;           // rounded down to a multiple of 256
  std::optional<int64_t> to;  // none: as far as the log reaches
  // Whether what no place leads to is looked at too: every message, rows that belong to none, places beyond the end.
  // Else only the messages that began within the range.
  bool is_whole = true;
};

struct VerificationReport {
  int64_t from = 0, to = 0;
  int64_t size = 0;  // entries before this are verified; `to` at the end
  Uuid message_id;   // messages up to this are verified, of a whole verification
  int64_t entries = 0, checkpoints = 0, messages = 0;
  int64_t erased = 0;          // messages whose content is erased under the retention policy, and an event says so
  std::optional<Digest> root;  // of the entries verified; at the end
  Discrepancies findings;      // the first 10,000
  int64_t duration_ms = 0;
};

// Canonical JSON {checkpoints, durationMs, entries, erased, faults[{eventId, rowKey, seq, table, what}], from,
// messages, ok, root, to}.
std::string result_json(const VerificationReport& report);
std::string findings_json(const Discrepancies& findings);  // an array
Discrepancies parse_findings(const std::string& json);     // what findings_json() wrote

// `before`: what an interrupted verification of the same range had reached; an empty report for none. `progress` hears
// now and then how far it is; its error stops everything and is given back.
Result<VerificationReport> verify_log(const VerificationParts& parts, const VerificationRange& range,
                                      const VerificationReport& before,
                                      const std::function<Result<void>(const VerificationReport&)>& progress);

}  // namespace signet
