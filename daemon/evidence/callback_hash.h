// A row of the callback ledger as the event of its confirmation commits to it.
#pragma once

#include "base/crypto.h"
#include "store/callbacks.h"

namespace signet {

Digest callback_hash(const CallbackRow& row);

}  // namespace signet
