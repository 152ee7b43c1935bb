#include "message/retry.h"

#include <algorithm>
#include <cmath>

namespace signet {
namespace {

// A provider that was away for a moment is back in a moment; a full mailbox, a switched-off phone, a log-in or a sender
// that a person has to mend is not.
double slowness(FaultScope scope) {
  switch (scope) {
    case FaultScope::recipient:
      return 30;
    case FaultScope::account:
    case FaultScope::credential:
    case FaultScope::sender:
      return 10;
    case FaultScope::provider:
    case FaultScope::message:
      break;
  }
  return 1;
}

int64_t backoff_ms(const RetryPolicy& policy, const Outcome& outcome, int attempts, Random& random) {
  // A throttled one comes when the provider says so; its scope is only about who is too fast.
  const double base = static_cast<double>(policy.base_ms) * (outcome.is_throttled ? 1 : slowness(outcome.scope));
  const double ceiling = base * std::pow(policy.factor, std::max(0, attempts - 1));
  const double capped = std::min(ceiling, static_cast<double>(policy.cap_ms));
  return static_cast<int64_t>(capped * random.unit());
}

}  // namespace

Decision decide(const Outcome& outcome, const AttemptState& state, const RetryPolicy& policy, WallTime now,
                Random& random) {
  Decision decision;
  decision.reason = outcome.reason;
  switch (outcome.kind) {
    case OutcomeKind::accepted:
      decision.step = Step::accepted;
      return decision;
    case OutcomeKind::in_doubt:
      decision.step = Step::doubt;
      return decision;
    case OutcomeKind::permanent:
      decision.step = outcome.is_opted_out ? Step::suppress : Step::fail;
      // Only what the provider itself said is proof.
      decision.is_proven = outcome.status_code != 0;
      return decision;
    case OutcomeKind::retryable:
    case OutcomeKind::unsent:
      break;
  }
  if (state.is_cancel_requested) {
    decision.step = Step::cancel;
    decision.is_counted = outcome.kind == OutcomeKind::retryable;
    return decision;
  }
  int64_t wait_ms = 0;
  if (outcome.kind == OutcomeKind::unsent) {
    decision.is_counted = false;
  } else {
    const int attempts = state.attempts_counted + 1;
    const int most = state.max_attempts > 0 ? std::min(state.max_attempts, policy.max_attempts) : policy.max_attempts;
    if (attempts >= most) {
      decision.step = Step::fail;
      decision.reason = "attempts_used_up";
      decision.is_proven = false;
      return decision;
    }
    wait_ms = backoff_ms(policy, outcome, attempts, random);
    if (outcome.retry_after_ms)
      wait_ms = std::clamp(*outcome.retry_after_ms, wait_ms, std::max(wait_ms, policy.cap_ms));
  }
  if (state.expires_at && now.us + wait_ms * 1000 >= state.expires_at->us) {
    decision.step = Step::expire;
    decision.reason = "expired";
    decision.is_proven = false;
    return decision;
  }
  decision.step = Step::retry;
  decision.next_delay_ms = wait_ms;
  return decision;
}

}  // namespace signet
