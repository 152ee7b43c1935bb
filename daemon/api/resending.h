// One message is sent once more by a person's decision.
#pragma once

#include "daemon/api/router.h"
#include "daemon/delivery/resend.h"

namespace signet::api {

// Writes it into the context's transaction, which holds the row, and gives what is due then. 409 where it has expired,
// its recipient opted out, its content is erased, or no route leads there.
DueRow send_again(Context& context, const MessageRow& message, ResendKind kind, Event event);

}  // namespace signet::api
