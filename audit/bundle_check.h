// Holds an evidence bundle against the log's key: the same checks as signet_verify.py makes, over other code
// (docs/bundle.md). Pure; one thread; memory grows with the messages that the bundle tells of.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/bundle_reader.h"
#include "audit/checkpoint.h"

namespace signet {

struct BundleCheck {                    // what the auditor brings
  std::optional<NoteKey> log;           // none: the key that the bundle names, which is then trusted
  std::vector<NoteKey> witnesses = {};  // who must have cosigned
  std::string older = {};               // a checkpoint's note; empty: none
  // Whether a token (RFC 3161, DER) stamps these octets. Null: time stamps are not looked into.
  std::function<Result<void>(std::string_view token, std::string_view octets)> stamp = {};
};

struct BundleVerdict {
  std::vector<BundleFault> faults;  // none: everything verifies
  std::vector<std::string> trusted, notes;
  std::optional<Checkpoint> checkpoint;
  int64_t events = 0;
};

// invalid: it is no zip, or there is no log key to check with. io.
Result<BundleVerdict> check_bundle(BundleOctets octets, const BundleCheck& check);

}  // namespace signet
