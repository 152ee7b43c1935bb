// Once more, because a person decided so: a failed message that is requeued, one in doubt that is resent. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "audit/event.h"
#include "daemon/delivery/due_plan.h"
#include "queue/queue.h"
#include "store/message_change.h"

namespace signet {

enum class ResendKind {
  requeue,  // after a failure: under a new idempotency key, and attempts count anew
  resend,   // of one in doubt
};

// The decision on the newest attempt, the event, the status and the due row. `event` has id, time, actor and what else
// is the caller's; its action says what was decided. None: its status does not allow it, or no route leads there.
std::optional<MessageChange> send_again(const MessageView& view, const DuePlan& plan, ResendKind kind, Event event,
                                        const Uuid& decision_id);

Hint hint_of(const DueRow& due);  // to be offered once it is committed

}  // namespace signet
