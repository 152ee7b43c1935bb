// The API's audit events: who did it, and the chain of one message's events.
#pragma once

#include <string>
#include <string_view>

#include "audit/event.h"
#include "daemon/api/router.h"
#include "daemon/evidence/entry_of.h"
#include "store/entry.h"
#include "store/messages.h"

namespace signet::api {

Actor actor_of(const http::Request& request, const Principal* principal);  // null: nobody known

// An event by the caller, now, with id and request id; the rest is the handler's.
Event new_event(const Context& context, std::string action);

// The next event of a message: numbered and chained to `head`, which moves on to it.
Entry chain(Event event, const Uuid& message_id, Status status_after, Head& head);
// An event about a message that changes nothing: a read, a refusal.
Entry beside(Event event, const Uuid& message_id);

// refuse() about a message; `reason`: "SELF_REVIEW".
[[noreturn]] void refuse_and_record(Context& context, Refused refused, std::string_view reason, const Uuid& message_id);

}  // namespace signet::api
