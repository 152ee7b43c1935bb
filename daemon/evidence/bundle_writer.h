// Makes evidence bundles (docs/bundle.md) of what is stored: of the whole log, of what a filter takes, of one message.
// Whatever of it does not verify is written as it stands, for whoever checks the bundle to find.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/bundle.h"
#include "base/clock.h"
#include "daemon/evidence/sequencer.h"
#include "store/audit_entries.h"
#include "store/keyring.h"

namespace signet {

struct BundleSource {  // what bundles are made with; outlives them
  const Keyring& keyring;
  const LogKey& key;
  std::vector<NoteKey> witnesses;  // whose cosignatures count
  const Clock& clock;
};

// Events with a proof of their own: so many at most in a bundle. The whole log needs none.
constexpr int64_t kBundleProofsMax = 100'000;

struct BundleRequest {
  EntryFilter filter;
  bool is_whole_log = false;  // then the filter takes everything
  // Of one message, which the filter names: its history alone, up to this head of its chain, without reads and
  // refusals.
  std::optional<Head> head = {};
  std::vector<std::pair<std::string, std::string>> shown = {};  // the filter, as the manifest says it; never PHI
  std::string previous_checkpoint = {};                         // the note that the auditor holds; empty: none
  int64_t size = 0;  // of the checkpoint to prove against; 0: the newest that the witness knows
};

struct BundleEnd {
  int64_t events = 0;
  Digest events_sha256{};  // of events.jsonl
  Checkpoint checkpoint;
};

// Called for each batch; its error ends the writing and is given back.
using BundleProgress = std::function<Result<void>(int64_t done, int64_t total)>;

// invalid: it is no checkpoint that this log signed; the text says so to who gave it.
Result<Checkpoint> read_previous_checkpoint(const std::string& note, const LogKey& key);

// limit: too many events or files. conflict: no checkpoint reaches so far yet, or the log is shorter than
// previous_checkpoint. Either text says what to do.
Result<BundleEnd> write_bundle(PgSession& session, const BundleSource& source, const BundleRequest& request, Sink& to,
                               const BundleProgress& progress = {});

}  // namespace signet
