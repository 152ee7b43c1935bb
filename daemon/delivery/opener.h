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

// corrupt: something was changed after the approval; not_found: its data key is missing. Nothing may be sent. The text
// names the part, never its content.
// `system_recipients`: addresses that what the daemon itself writes may go to.
Result<Envelope> open_and_check(const Keyring& keys, const Permit& permit,
                                const std::set<std::string>& system_recipients);

}  // namespace signet
