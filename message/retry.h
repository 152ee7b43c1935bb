// The one place that decides on an Outcome: what the message becomes, and whether and when it is tried again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "message/lifecycle.h"
#include "message/message.h"
#include "message/outcome.h"

namespace signet {

struct RetryPolicy {
  int64_t base_ms = 1000;
  double factor = 2.0;
  int64_t cap_ms = 3600000;
  int max_attempts = 8;  // a message may ask for fewer
};

struct AttemptState {        // of the message, when the outcome came
  int attempts_counted = 0;  // before this one
  int max_attempts = 0;      // 0: the policy's
  bool is_cancel_requested = false;
  std::optional<WallTime> expires_at;
};

struct Decision {
  Step step = Step::fail;
  std::string reason;                    // for failed, in_doubt: the outcome's, or attempts_used_up, expired
  std::optional<int64_t> next_delay_ms;  // step retry only: from now, by the clock of who records it
  bool is_counted = true;                // unsent does not count in max_attempts
  bool is_proven = true;                 // failed by the provider's word
};

// Exponential with full jitter (equal chance in [0, min(cap, base * factor^attempts)]), from a base 30 times as long
// where the fault is the recipient's and 10 times where it is our account's, credential's or sender's; Retry-After is
// obeyed as a lower bound, clamped to cap_ms. A throttled attempt counts: a lane that stays shut must end.
Decision decide(const Outcome& outcome, const AttemptState& state, const RetryPolicy& policy, WallTime now,
                Random& random);

}  // namespace signet
