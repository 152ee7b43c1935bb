#include "daemon/evidence/callback_hash.h"

#include "audit/callback.h"

namespace signet {

Digest callback_hash(const CallbackRow& c) {
  return callback_sha256({c.id, c.message_id.value_or(Uuid{}), c.provider, c.event_id, c.provider_reference,
                          name(c.kind), c.provider_code, c.attempt_no, c.is_partial, c.sealed_by, c.sealed,
                          c.received_at});
}

}  // namespace signet
