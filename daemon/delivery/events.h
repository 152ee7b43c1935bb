// The audit entries that deliveries write: one per result, one per message ended without a permit.
#pragma once

#include <string>

#include "base/ids.h"
#include "message/retry.h"
#include "store/journal.h"

namespace signet {

class DeliveryEvents {  // one a loop
 public:
  DeliveryEvents(const Clock& clock, IdSource& ids, std::string instance)
      : clock_(clock), ids_(ids), instance_(std::move(instance)) {}

  // `status` is the message's after the result; `head` the one before.
  Entry of_result(const Permit& permit, const Outcome& outcome, const Decision& decision, Status status,
                  const Head& head, WallTime started_at, WallTime finished_at);
  // The provider refused it since the recipient opted out there, or has no mailbox: the row without its key, which is
  // the message's.
  NewSuppression of_opt_out(const Permit& permit, const Outcome& outcome, WallTime at);
  // A permit refused for good: expired, suppressed, cancelled, or such that nothing can ever be sent.
  Entry of_end(const Permit& permit, Status status, const std::string& reason);

 private:
  const Clock& clock_;
  IdSource& ids_;
  const std::string instance_;
};

}  // namespace signet
