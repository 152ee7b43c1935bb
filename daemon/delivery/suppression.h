// Suppressing a recipient, and lifting it, with the audit event that tells of it.
#pragma once

#include "audit/event.h"
#include "base/ids.h"
#include "message/message.h"
#include "store/suppressions.h"

namespace signet {

DeliveryMethod channel_of(Kind kind);
Actor daemon_actor(const std::string& instance);

// The row as it is added: id is a new one.
NewSuppression new_suppression(SuppressionRow row, Actor actor, IdSource& ids, WallTime at,
                               const std::string& request_id = {});
// The event of a row that is removed, for `reason`.
Entry suppression_removed(const SuppressionRow& row, const std::string& reason, Actor actor, IdSource& ids, WallTime at,
                          const std::string& request_id = {});

}  // namespace signet
