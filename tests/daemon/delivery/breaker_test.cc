#include "daemon/delivery/breaker.h"

#include <catch2/catch.hpp>

using namespace signet;

namespace {

struct Fixture {
  Tick now{1'000'000'000};
  Breaker breaker{{10000, 0.5, 10, 3000}, now};

  void learn(OutcomeKind kind, int times, FaultScope scope = FaultScope::provider) {
    Outcome outcome;
    outcome.kind = kind;
    outcome.scope = scope;
    outcome.reason = "connect_refused";
    for (int i = 0; i < times; i++) breaker.learn(outcome, now);
  }
  void pass(int64_t ms) { now.us += ms * 1000; }
  BreakerState state() const { return breaker.report(now).state; }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a breaker opens by the part of errors in its window, never on one error or on few") {
  learn(OutcomeKind::retryable, 9);
  CHECK(state() == BreakerState::closed);
  learn(OutcomeKind::accepted, 11);
  CHECK(state() == BreakerState::closed);  // 9 of 20
  learn(OutcomeKind::retryable, 1);
  CHECK(state() == BreakerState::closed);  // 10 of 21
  learn(OutcomeKind::retryable, 1);
  CHECK(state() == BreakerState::open);  // 11 of 22
  const BreakerReport report = breaker.report(now);
  CHECK(report.reason == "connect_refused");
  CHECK(report.attempts == 22);
  CHECK(report.errors == 11);
  CHECK(report.since == now);
}

TEST_CASE("a fault of the provider, our account or our credential opens a breaker") {
  for (const auto scope : {FaultScope::provider, FaultScope::account, FaultScope::credential}) {
    Fixture fixture;
    fixture.learn(OutcomeKind::retryable, 10, scope);
    CHECK(fixture.state() == BreakerState::open);
  }
}

TEST_CASE_METHOD(Fixture, "errors older than the window do not count") {
  learn(OutcomeKind::retryable, 9);
  pass(11000);
  learn(OutcomeKind::retryable, 9);
  CHECK(state() == BreakerState::closed);
  CHECK(breaker.report(now).attempts == 9);
  pass(60000);
  CHECK(breaker.report(now).attempts == 0);
}

TEST_CASE_METHOD(Fixture, "what is wrong with a message, its recipient or our rate does not open a breaker") {
  learn(OutcomeKind::permanent, 50, FaultScope::message);
  learn(OutcomeKind::retryable, 50, FaultScope::recipient);
  learn(OutcomeKind::unsent, 50);
  Outcome throttled;
  throttled.kind = OutcomeKind::retryable;
  throttled.scope = FaultScope::account;
  throttled.is_throttled = true;
  for (int i = 0; i < 200; i++) breaker.learn(throttled, now);
  CHECK(state() == BreakerState::closed);
  CHECK(breaker.report(now).attempts == 100);
  CHECK(breaker.report(now).errors == 0);
}

TEST_CASE_METHOD(Fixture, "messages in doubt are the provider's fault") {
  learn(OutcomeKind::in_doubt, 10, FaultScope::message);
  CHECK(state() == BreakerState::open);
}

TEST_CASE_METHOD(Fixture, "an open breaker lets one probe through after its time, and one more after as long again") {
  learn(OutcomeKind::retryable, 10);
  CHECK_FALSE(breaker.is_passable(now));
  CHECK_FALSE(breaker.pass(now));
  CHECK(breaker.again_at(now) == Tick{now.us + 3000000});
  pass(3000);
  CHECK(breaker.is_passable(now));
  CHECK(breaker.pass(now));
  CHECK(state() == BreakerState::half_open);
  CHECK_FALSE(breaker.pass(now));
  pass(3000);  // nothing was heard of the probe
  CHECK(breaker.pass(now));
}

TEST_CASE_METHOD(Fixture, "a probe that got no permit gives its place to the next message at once") {
  learn(OutcomeKind::retryable, 10);
  breaker.give_back(now);
  CHECK_FALSE(breaker.pass(now));  // it is open: none was a probe
  pass(3000);
  REQUIRE(breaker.pass(now));
  breaker.give_back(now);
  CHECK(breaker.pass(now));
  CHECK_FALSE(breaker.pass(now));
}

TEST_CASE_METHOD(Fixture, "a probe that succeeds closes the breaker, one that fails opens it for as long again") {
  learn(OutcomeKind::retryable, 10);
  pass(3000);
  REQUIRE(breaker.pass(now));
  SECTION("succeeds") {
    learn(OutcomeKind::accepted, 1);
    CHECK(state() == BreakerState::closed);
    CHECK(breaker.report(now).attempts == 0);  // a new begin
    CHECK(breaker.report(now).reason.empty());
    learn(OutcomeKind::retryable, 9);
    CHECK(state() == BreakerState::closed);
  }
  SECTION("fails") {
    learn(OutcomeKind::in_doubt, 1);
    CHECK(state() == BreakerState::open);
    CHECK_FALSE(breaker.pass(now));
    pass(2999);
    CHECK_FALSE(breaker.pass(now));
    pass(1);
    CHECK(breaker.pass(now));
  }
}

TEST_CASE_METHOD(Fixture, "what ends while the breaker is open changes nothing") {
  learn(OutcomeKind::retryable, 10);
  const Tick opened = now;
  pass(1000);
  learn(OutcomeKind::accepted, 50);
  learn(OutcomeKind::retryable, 50);
  CHECK(state() == BreakerState::open);
  CHECK(breaker.report(now).since == opened);
}
