// Opens a granted message's seal and proves that these are the approved words, to the approved person, before the
// first byte (design: engine, "Unseal and check").
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "message/envelope.h"
#include "store/journal.h"
#include "store/keyring.h"

namespace signet {

// What the policy `system` covers: mails to whom the configuration names, and these words to whoever asked for help.
struct OwnWriting {
  std::set<std::string> recipients;  // addresses in normal form
  std::string help_text;             // empty: nobody is answered
};

// corrupt: something was changed after the approval; not_found: its data key is missing. Nothing may be sent. The text
// names the part, never its content.
Result<Envelope> open_and_check(const Keyring& keys, const Permit& permit, const OwnWriting& own);

}  // namespace signet
