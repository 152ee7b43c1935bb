// Opens a granted message's seal and proves that these are the approved words, to the approved person, before the
// first byte (design: engine, "Unseal and check").
#pragma once

#include "base/result.h"
#include "message/envelope.h"
#include "store/journal.h"
#include "store/keyring.h"

namespace signet {

// corrupt: something was changed after the approval; nothing may be sent. The text names the part, never its content.
Result<Envelope> open_and_check(const Keyring& keys, const Permit& permit);

}  // namespace signet
