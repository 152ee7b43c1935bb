// Once more, because a person decided so: a failed message that is requeued, one in doubt that is resent. One step
// inside the caller's transaction, which holds the message's row; offering the hint is for after its COMMIT.
#pragma once

#include <string>
#include <string_view>

#include "audit/event.h"
#include "message/route.h"
#include "queue/queue.h"
#include "store/messages.h"

namespace signet {

enum class ResendBar { none, expired, suppressed, erased, no_route };
std::string_view name(ResendBar bar);  // "EXPIRED", ...: a refusal's reason

struct Resent {
  ResendBar bar = ResendBar::none;  // what stands in the way; then nothing was written
  int attempt_no = 0;               // that is due now
  Hint hint;
};

enum class ResendKind {
  requeue,  // after a failure: under a new idempotency key, and attempts count anew
  resend,   // of one in doubt
};

// Writes the decision on the newest attempt, the event, the status and the due row. `event` has id, time, actor and
// what else is the caller's; its action says what was decided. conflict: somebody moved the message meanwhile.
Result<Resent> send_again(PgTransaction& tx, const Routes& routes, const MessageRow& message, ResendKind kind,
                          Event event, const Uuid& decision_id);

}  // namespace signet
