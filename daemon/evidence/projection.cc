#include "daemon/evidence/projection.h"

#include "message/message.h"

namespace signet {

// entry_of() makes the columns from the event.
bool is_projection(const EventProjection& event, const Entry& stored) {
  Entry expected;
  if (event.actor_role != "daemon")
    if (const auto user = parse_uuid(event.actor_id)) expected.actor_id = *user;
  if (const auto status = parse_status(event.status)) expected.status = static_cast<int>(*status);
  const auto object = parse_uuid(event.object_id);
  return event.id == stored.event_id && event.action == stored.action && event.at == stored.at &&
         event.provider == stored.provider && expected.actor_id == stored.actor_id &&
         expected.status == stored.status && (object ? *object : Uuid{}) == stored.object_id;
}

}  // namespace signet
