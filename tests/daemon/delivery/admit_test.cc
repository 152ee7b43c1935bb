#include "daemon/delivery/admit.h"

#include <catch2/catch.hpp>

#include "tests/fakes/random.h"

using namespace signet;
using Answer = Admission::Answer;

namespace {

struct Fixture {
  SeededRandom random{1};
  Routes routes{{Route{Kind::sms, {}, {}, {{"a", 100}}}, Route{Kind::email, {}, {}, {{"b", 75}, {"c", 25}}}}};
  Tick now{1000000};
  Admit admit(ProviderLimits limits) { return Admit(routes, {{"a", limits}, {"b", limits}, {"c", limits}}, random); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "no more are admitted than there are slots, and a released one is free again") {
  Admit gate = admit({0, 1, 2});
  CHECK(gate.ask("sms", now).answer == Answer::admitted);
  CHECK(gate.ask("sms", now).answer == Answer::admitted);
  CHECK(gate.ask("sms", now).answer == Answer::busy);
  gate.release("a");
  CHECK(gate.ask("sms", now).provider == "a");
}

TEST_CASE_METHOD(Fixture, "in any second no more leave than rate and burst allow") {
  Admit gate = admit({100, 10, 1000000});
  int admitted = 0;
  for (int ms = 0; ms < 1000; ms++)
    while (gate.ask("sms", Tick{now.us + ms * 1000}).answer == Answer::admitted) admitted++;
  CHECK(admitted <= 110);
  CHECK(admitted >= 108);
}

TEST_CASE_METHOD(Fixture, "an empty bucket says when the next token comes") {
  Admit gate = admit({100, 1, 10});
  REQUIRE(gate.ask("sms", now).answer == Answer::admitted);
  const Admission refused = gate.ask("sms", now);
  REQUIRE(refused.answer == Answer::busy);
  CHECK(refused.again_at.us - now.us == Approx(10000).margin(2));
  CHECK(gate.ask("sms", refused.again_at).answer == Answer::admitted);
}

TEST_CASE_METHOD(Fixture, "throttling pauses its lane for as long as the provider asks, and no other lane") {
  Admit gate = admit({0, 1, 10});
  Outcome outcome;
  outcome.kind = OutcomeKind::retryable;
  outcome.is_throttled = true;
  outcome.retry_after_ms = 3000;
  gate.learn("sms", outcome, now);
  CHECK(gate.ask("sms", now).answer == Answer::closed);
  CHECK(gate.closed_lanes(now) == std::vector<std::string>{"sms"});
  CHECK(gate.ask("email", now).answer == Answer::admitted);
  CHECK(gate.ask("sms", Tick{now.us + 3000000}).answer == Answer::admitted);
  CHECK(gate.closed_lanes(Tick{now.us + 3000000}).empty());
}

TEST_CASE_METHOD(Fixture, "a lane without a route is given back, not sent") {
  Admit gate = admit({0, 1, 10});
  CHECK(gate.ask("letter", now).answer == Answer::closed);
}

TEST_CASE_METHOD(Fixture, "weights divide a lane among its providers, and a full one is passed over") {
  Admit gate = admit({0, 1, 100000});
  std::map<std::string, int> chosen;
  for (int i = 0; i < 10000; i++) chosen[gate.ask("email", now).provider]++;
  CHECK(chosen["b"] == Approx(7500).margin(200));
  CHECK(chosen["b"] + chosen["c"] == 10000);
  Admit small = admit({0, 1, 1});
  CHECK(small.ask("email", now).answer == Answer::admitted);
  CHECK(small.ask("email", now).answer == Answer::admitted);
  CHECK(small.ask("email", now).answer == Answer::busy);
}
