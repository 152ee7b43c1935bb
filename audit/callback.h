// The form in which a callback's row of the ledger is hashed into the event of the confirmation that took effect
// (callbackSha256), its sealed bytes included, so that a changed row shows.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace signet {

struct CallbackRecord {  // callback as stored
  Uuid id, message_id;   // nil: names no message of ours
  std::string_view provider, event_id, provider_reference, kind, provider_code;
  int attempt_no = 0;
  bool is_partial = false;
  std::string_view sealed_by, sealed;
  WallTime received_at;
};

Digest callback_sha256(const CallbackRecord& record);  // SHA-256 of the RFC 8785 form

}  // namespace signet
