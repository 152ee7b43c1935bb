#include "daemon/delivery/admit.h"

#include <catch2/catch.hpp>

#include "queue/memory_queue.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

using namespace signet;
using Answer = Admission::Answer;

namespace {

constexpr BreakerSettings kBreaker{10000, 0.5, 4, 5000};

Outcome outcome_of(OutcomeKind kind, FaultScope scope = FaultScope::provider, const std::string& reason = "down") {
  Outcome out;
  out.kind = kind;
  out.scope = scope;
  out.reason = reason;
  return out;
}

struct QuietLog : Log {
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

struct Fixture {
  SeededRandom random{1};
  ManualClock clock;
  Routes routes{{Route{Kind::sms, {}, {}, {{"a", 100}}}, Route{Kind::email, {}, {}, {{"b", 75}, {"c", 25}}},
                 Route{Kind::letter, {}, {}, {{"b", 100}, {"spare", 0}}}}};
  MemoryQueueServer server;
  std::vector<std::function<void()>> posted;
  MemoryQueue queue{server, clock, [this](std::function<void()> action) { posted.push_back(std::move(action)); },
                    QueueOptions{"one"}};
  QuietLog log;
  Metrics metrics;
  std::unique_ptr<Pace> pace;

  Admit admit(ProviderLimits limits) {
    const std::map<std::string, ProviderLimits> all{{"a", limits}, {"b", limits}, {"c", limits}, {"spare", limits}};
    pace = std::make_unique<Pace>(all, kBreaker, clock.tick());
    const int slots = limits.in_flight;
    return Admit({routes, queue, clock, random, *pace, log, metrics},
                 {{"a", slots}, {"b", slots}, {"c", slots}, {"spare", slots}});
  }
  Admission ask(Admit& gate, std::string_view lane, Priority priority = Priority::critical,
                std::string_view pinned = "", std::string_view avoid = "") {
    return gate.ask({lane, priority, pinned, avoid}, clock.tick());
  }
  void answer() {  // of the queue
    for (auto& action : std::exchange(posted, {})) action();
  }
  void fail(Admit& gate, const std::string& provider, int times) {
    for (int i = 0; i < times; i++) gate.learn("email", provider, outcome_of(OutcomeKind::retryable), clock.tick());
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "no more are admitted than there are slots, and a released one is free again") {
  Admit gate = admit({0, 1, 2});
  CHECK(ask(gate, "sms").answer == Answer::admitted);
  CHECK(ask(gate, "sms").answer == Answer::admitted);
  CHECK(ask(gate, "sms").answer == Answer::busy);
  gate.release("a", true);
  CHECK(ask(gate, "sms").provider == "a");
}

TEST_CASE_METHOD(Fixture, "an eighth of a provider's slots is kept for critical and high") {
  Admit gate = admit({0, 1, 16});
  int bulk = 0, high = 0;
  while (ask(gate, "sms", Priority::bulk).answer == Answer::admitted) bulk++;
  CHECK(bulk == 14);
  CHECK(ask(gate, "sms", Priority::normal).answer == Answer::busy);
  CHECK(ask(gate, "sms", Priority::critical).answer == Answer::admitted);
  while (ask(gate, "sms", Priority::high).answer == Answer::admitted) high++;
  CHECK(high == 1);
}

TEST_CASE_METHOD(Fixture, "throttling pauses its lane for as long as the provider asks, and no other lane") {
  Admit gate = admit({0, 1, 10});
  Outcome outcome = outcome_of(OutcomeKind::retryable);
  outcome.is_throttled = true;
  outcome.retry_after_ms = 3000;
  gate.learn("sms", "a", outcome, clock.tick());
  const Admission refused = ask(gate, "sms");
  CHECK(refused.answer == Answer::closed);
  CHECK(refused.again_at.us - clock.tick().us == 3000000);
  CHECK(gate.closed_lanes(clock.tick()) == std::vector<std::string>{"sms"});
  CHECK(ask(gate, "email").answer == Answer::admitted);
  clock.advance_ms(3000);
  CHECK(ask(gate, "sms").answer == Answer::admitted);
  CHECK(gate.closed_lanes(clock.tick()).empty());
}

TEST_CASE_METHOD(Fixture, "a throttled provider leaves its lane to the other one") {
  Admit gate = admit({0, 1, 100});
  Outcome outcome = outcome_of(OutcomeKind::retryable);
  outcome.is_throttled = true;
  gate.learn("email", "b", outcome, clock.tick());
  for (int i = 0; i < 20; i++) {
    const Admission admission = ask(gate, "email");
    CHECK(admission.provider == "c");
    CHECK(admission.reason == "failover");
    CHECK_FALSE(admission.has_choice);
  }
}

TEST_CASE_METHOD(Fixture, "what the configuration does not know is gone, and says which") {
  Admit gate = admit({0, 1, 10});
  CHECK(ask(gate, "sms-9").answer == Answer::gone);
  CHECK(ask(gate, "sms-9").reason == "no_route");
  CHECK(ask(gate, "sms", Priority::high, "sold").answer == Answer::gone);
  CHECK(ask(gate, "sms", Priority::high, "sold").reason == "provider_gone");
}

TEST_CASE_METHOD(Fixture, "weights divide a lane among its providers, and a full one is passed over") {
  Admit gate = admit({0, 1, 100000});
  std::map<std::string, int> chosen;
  for (int i = 0; i < 10000; i++) chosen[ask(gate, "email").provider]++;
  CHECK(chosen["b"] == Approx(7500).margin(200));
  CHECK(chosen["b"] + chosen["c"] == 10000);
  Admit small = admit({0, 1, 1});
  CHECK(ask(small, "email").answer == Answer::admitted);
  CHECK(ask(small, "email").answer == Answer::admitted);
  CHECK(ask(small, "email").answer == Answer::busy);
}

TEST_CASE_METHOD(Fixture, "the reason names why this provider was chosen") {
  Admit gate = admit({0, 1, 100});
  CHECK(ask(gate, "sms").reason == "only");
  CHECK(ask(gate, "email").reason == "weight");
  CHECK(ask(gate, "email").has_choice);
  CHECK(ask(gate, "email", Priority::high, "c").reason == "pinned");
  CHECK(ask(gate, "email", Priority::high, "c").provider == "c");
  const Admission avoiding = ask(gate, "email", Priority::high, "", "b");
  CHECK(avoiding.provider == "c");
  CHECK(avoiding.reason == "avoid:b");
  gate.set_pauses({{}, {"b"}});
  CHECK(ask(gate, "email").reason == "paused:b");
  gate.set_pauses({});
  fail(gate, "b", 4);
  CHECK(ask(gate, "email").provider == "c");
  CHECK(ask(gate, "email").reason == "breaker:b");
}

TEST_CASE_METHOD(Fixture, "the provider that has just failed is tried again where no other is open") {
  Admit gate = admit({0, 1, 100});
  CHECK(ask(gate, "sms", Priority::high, "", "a").provider == "a");
  fail(gate, "c", 4);
  const Admission again = ask(gate, "email", Priority::high, "", "b");
  CHECK(again.provider == "b");
  CHECK(again.reason == "breaker:c");
  CHECK_FALSE(again.has_choice);
}

TEST_CASE_METHOD(Fixture, "a provider of weight 0 serves only where no other may be used") {
  Admit gate = admit({0, 1, 2});
  CHECK(ask(gate, "letter").provider == "b");
  CHECK(ask(gate, "letter").provider == "b");
  CHECK(ask(gate, "letter").answer == Answer::busy);
  fail(gate, "b", 4);
  CHECK(ask(gate, "letter").provider == "spare");
  CHECK(ask(gate, "letter", Priority::high, "", "b").reason == "breaker:b");
}

TEST_CASE_METHOD(Fixture, "what operators paused is given back, a paused provider's lane is closed") {
  Admit gate = admit({0, 1, 10});
  gate.set_pauses({{false, false, false, true}, {"a"}});
  CHECK(gate.closed_priorities() == std::array<bool, 4>{false, false, false, true});
  CHECK(ask(gate, "email", Priority::bulk).answer == Answer::closed);
  CHECK(ask(gate, "email", Priority::normal).answer == Answer::admitted);
  CHECK(ask(gate, "sms").answer == Answer::closed);
  CHECK(ask(gate, "sms", Priority::high, "a").answer == Answer::closed);
  CHECK(gate.closed_lanes(clock.tick()) == std::vector<std::string>{"sms"});
  gate.set_pauses({});
  CHECK(ask(gate, "sms").answer == Answer::admitted);
}

TEST_CASE_METHOD(Fixture, "an open breaker closes its lane, lets one probe through, and that decides") {
  Admit gate = admit({0, 1, 10});
  fail(gate, "a", 4);
  CHECK(ask(gate, "sms").answer == Answer::closed);
  CHECK(gate.closed_lanes(clock.tick()) == std::vector<std::string>{"sms"});
  clock.advance_ms(5000);
  CHECK(gate.closed_lanes(clock.tick()).empty());
  CHECK(ask(gate, "sms").answer == Answer::admitted);
  CHECK(ask(gate, "sms").answer == Answer::closed);
  gate.learn("sms", "a", outcome_of(OutcomeKind::accepted), clock.tick());
  CHECK(ask(gate, "sms").answer == Answer::admitted);
  CHECK(ask(gate, "sms").answer == Answer::admitted);
}

TEST_CASE_METHOD(Fixture, "its health names slots, breaker and pauses") {
  Admit gate = admit({0, 1, 10});
  ask(gate, "sms");
  fail(gate, "b", 4);
  Outcome throttled = outcome_of(OutcomeKind::retryable);
  throttled.is_throttled = true;
  throttled.retry_after_ms = 2000;
  gate.learn("email", "c", throttled, clock.tick());
  const auto health = gate.health();
  REQUIRE(health.size() == 4);
  CHECK(health[0].provider == "a");
  CHECK(health[0].in_use == 1);
  CHECK(health[0].in_flight == 10);
  CHECK(health[1].breaker == BreakerState::open);
  CHECK(health[1].reason == "down");
  CHECK(health[1].attempts == 4);
  CHECK(health[1].errors == 4);
  CHECK(health[1].since == clock.wall());
  CHECK(health[2].paused_until == WallTime{clock.wall().us + 2000000});
}

TEST_CASE_METHOD(Fixture, "the token is spent at the first byte: what waited for a permit too long asks for another") {
  Admit gate = admit({1, 1, 100});
  Tick again_at;
  CHECK(ask(gate, "sms").answer == Answer::busy);  // the bank is empty, and asks
  answer();
  REQUIRE(ask(gate, "sms").answer == Answer::admitted);
  CHECK(ask(gate, "sms").answer == Answer::busy);  // the token is spoken for
  clock.advance_ms(150);
  CHECK_FALSE(gate.may_start("a", clock.tick(), again_at));  // void by now
  CHECK(again_at > clock.tick());
  answer();
  clock.advance_ms(900);
  CHECK_FALSE(gate.may_start("a", clock.tick(), again_at));  // asks again
  answer();
  CHECK(gate.may_start("a", clock.tick(), again_at));
  CHECK_FALSE(gate.may_start("a", clock.tick(), again_at));
}

TEST_CASE_METHOD(Fixture, "without Redis each daemon has its own part of the rate at once") {
  Admit gate = admit({100, 10, 100});
  pace->tokens().set_live_daemons(2);
  server.set_up(false);
  int sent = 0;
  for (int ms = 0; ms < 2000; ms++, clock.advance_ms(1)) {
    Tick again_at;
    for (bool is_sent = true; is_sent && ask(gate, "sms").answer == Answer::admitted; sent += is_sent) {
      is_sent = gate.may_start("a", clock.tick(), again_at);
      gate.release("a", is_sent);
    }
  }
  CHECK(sent <= 101);
  CHECK(sent >= 95);
}
