#include "message/retry.h"

#include <catch2/catch.hpp>

#include "tests/fakes/random.h"

namespace signet {
namespace {

const WallTime kNow{1'800'000'000'000'000};

Outcome outcome(OutcomeKind kind, int status = 0) {
  Outcome out;
  out.kind = kind;
  out.reason = "because";
  out.status_code = status;
  return out;
}

Decision decided(const Outcome& out, const AttemptState& state = {}, const RetryPolicy& policy = {}) {
  SeededRandom random(1);
  return decide(out, state, policy, kNow, random);
}

TEST_CASE("each kind of outcome has its step") {
  CHECK(decided(outcome(OutcomeKind::accepted)).step == Step::accepted);
  CHECK(decided(outcome(OutcomeKind::in_doubt)).step == Step::doubt);
  CHECK(decided(outcome(OutcomeKind::permanent)).step == Step::fail);
  CHECK(decided(outcome(OutcomeKind::retryable)).step == Step::retry);
  CHECK(decided(outcome(OutcomeKind::unsent)).step == Step::retry);
  CHECK(decided(outcome(OutcomeKind::in_doubt)).reason == "because");
}

TEST_CASE("a failure is proven only by the provider's own word") {
  CHECK(decided(outcome(OutcomeKind::permanent, 400)).is_proven);
  CHECK_FALSE(decided(outcome(OutcomeKind::permanent, 0)).is_proven);
  AttemptState last;
  last.attempts_counted = 7;
  CHECK_FALSE(decided(outcome(OutcomeKind::retryable, 503), last).is_proven);
}

TEST_CASE("an opt-out told by the provider suppresses") {
  Outcome out = outcome(OutcomeKind::permanent, 400);
  out.is_opted_out = true;
  CHECK(decided(out).step == Step::suppress);
}

TEST_CASE("attempts end at the lower of the policy's number and the message's") {
  RetryPolicy policy;
  policy.max_attempts = 5;
  struct Row {
    int counted, asked;
    bool is_last;
  };
  for (const auto& row : {Row{3, 0, false}, Row{4, 0, true}, Row{9, 0, true}, Row{1, 3, false}, Row{2, 3, true},
                          Row{0, 1, true}, Row{4, 50, true}, Row{3, 50, false}}) {
    AttemptState state;
    state.attempts_counted = row.counted;
    state.max_attempts = row.asked;
    const auto d = decided(outcome(OutcomeKind::retryable, 503), state, policy);
    INFO(row.counted << " of " << row.asked);
    CHECK(d.step == (row.is_last ? Step::fail : Step::retry));
    if (row.is_last) CHECK(d.reason == "attempts_used_up");
    CHECK(d.next_delay_ms.has_value() != row.is_last);
  }
}

TEST_CASE("an unsent attempt does not count, and is due at once") {
  AttemptState state;
  state.attempts_counted = 7;
  const auto d = decided(outcome(OutcomeKind::unsent), state);
  CHECK(d.step == Step::retry);
  CHECK_FALSE(d.is_counted);
  CHECK(d.next_delay_ms == 0);
}

TEST_CASE("waits spread over the whole range and grow up to the cap") {
  RetryPolicy policy;
  policy.base_ms = 1000;
  policy.factor = 2;
  policy.cap_ms = 5000;
  SeededRandom random(7);
  for (int counted = 0; counted < 6; ++counted) {
    const int64_t most = std::min<int64_t>(5000, 1000LL << counted);
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < 2000; ++i) {
      AttemptState state;
      state.attempts_counted = counted;
      const auto d = decide(outcome(OutcomeKind::retryable, 503), state, policy, kNow, random);
      const int64_t wait = *d.next_delay_ms;
      low = std::min(low, wait);
      high = std::max(high, wait);
    }
    INFO(counted);
    CHECK(low < most / 50);
    CHECK(high <= most);
    CHECK(high > most - most / 50);
  }
}

TEST_CASE("what a recipient or a person has to mend is tried again later than what a provider mends by itself") {
  SeededRandom random(3);
  auto longest_ms = [&](FaultScope scope, bool is_throttled) {
    Outcome out = outcome(OutcomeKind::retryable, 503);
    out.scope = scope;
    out.is_throttled = is_throttled;
    int64_t longest = 0;
    for (int i = 0; i < 2000; i++)
      longest = std::max(longest, decide(out, {}, RetryPolicy{}, kNow, random).next_delay_ms.value());
    return longest;
  };
  CHECK(longest_ms(FaultScope::provider, false) <= 1000);
  CHECK(longest_ms(FaultScope::account, false) == Approx(10000).epsilon(0.05));
  CHECK(longest_ms(FaultScope::credential, false) == Approx(10000).epsilon(0.05));
  CHECK(longest_ms(FaultScope::sender, false) == Approx(10000).epsilon(0.05));
  CHECK(longest_ms(FaultScope::recipient, false) == Approx(30000).epsilon(0.05));
  CHECK(longest_ms(FaultScope::account, true) <= 1000);
}

TEST_CASE("Retry-After is a lower bound, clamped to the cap") {
  RetryPolicy policy;
  policy.cap_ms = 60000;
  Outcome out = outcome(OutcomeKind::retryable, 429);
  out.retry_after_ms = 30000;
  CHECK(decided(out, {}, policy).next_delay_ms == 30'000);
  out.retry_after_ms = 600000;
  CHECK(decided(out, {}, policy).next_delay_ms == 60'000);
  out.retry_after_ms = -5;
  CHECK(*decided(out, {}, policy).next_delay_ms >= 0);
}

TEST_CASE("a try that would come after expiry is not made") {
  Outcome out = outcome(OutcomeKind::retryable, 503);
  out.retry_after_ms = 10000;
  AttemptState state;
  state.expires_at = WallTime{kNow.us + 10'000'000};
  auto d = decided(out, state);
  CHECK(d.step == Step::expire);
  CHECK(d.reason == "expired");
  CHECK_FALSE(d.is_proven);
  state.expires_at = WallTime{kNow.us + 10'000'001};
  CHECK(decided(out, state).step == Step::retry);
}

TEST_CASE("a requested cancel ends what would be tried again, and nothing else") {
  AttemptState state;
  state.is_cancel_requested = true;
  CHECK(decided(outcome(OutcomeKind::retryable, 503), state).step == Step::cancel);
  CHECK(decided(outcome(OutcomeKind::retryable, 503), state).is_counted);
  CHECK(decided(outcome(OutcomeKind::unsent), state).step == Step::cancel);
  CHECK_FALSE(decided(outcome(OutcomeKind::unsent), state).is_counted);
  CHECK(decided(outcome(OutcomeKind::accepted), state).step == Step::accepted);
  CHECK(decided(outcome(OutcomeKind::in_doubt), state).step == Step::doubt);
  CHECK(decided(outcome(OutcomeKind::permanent, 400), state).step == Step::fail);
}

TEST_CASE("each step that is decided is legal for a queued message") {
  for (int kind = 1; kind <= 5; ++kind)
    for (const bool is_cancelled : {false, true})
      for (const int counted : {0, 7}) {
        AttemptState state;
        state.is_cancel_requested = is_cancelled;
        state.attempts_counted = counted;
        CHECK(after(Status::queued, decided(outcome(static_cast<OutcomeKind>(kind)), state).step).has_value());
      }
}

}  // namespace
}  // namespace signet
