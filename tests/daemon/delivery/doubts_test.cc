#include "daemon/delivery/doubts.h"

#include <catch2/catch.hpp>

#include "daemon/delivery/relay.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

constexpr int64_t kMinuteUs = 60'000'000;

struct Fixture {
  ManualClock clock;
  SeededRandom random{1};
  IdSource ids{clock, random};
  bool has_route = true;
  WallTime due_at = clock.wall();
  Doubts doubts{{"signetd-1", 8, 40000},
                [this](const MessageRow& message, int attempt_no, WallTime) -> std::optional<DueRow> {
                  if (!has_route) return std::nullopt;
                  return DueRow{message.id, attempt_no, message.priority, "sms",
                                "ward",     "",         due_at,           message.expires_at};
                },
                ids};
  MessageView view;
  Doubt doubt;
  DoubtRules rules;

  Fixture() {
    view.now = clock.wall();
    view.message.id = ids.next();
    view.message.status = Status::in_doubt;
    view.message.attempts = 1;
    view.message.head.n = 4;
    AttemptRow attempt;
    attempt.attempt_no = 1;
    attempt.provider = "gateway";
    attempt.outcome = OutcomeKind::in_doubt;
    view.attempts = {attempt};
    doubt = {view.message.id, 1, "gateway", "", 60'000, 0};
  }
  Doubts::Decided decide(DoubtPolicy policy = DoubtPolicy::wait, std::optional<Found> found = {}) {
    return doubts.decide(view, doubt, rules, policy, found);
  }
};

}  // namespace

TEST_CASE("I5 a doubt is settled by the class of its provider, and only a blind one's by the policy") {
  using enum DoubtStep;
  const auto idempotent = DoubtClass::idempotent, queryable = DoubtClass::queryable, blind = DoubtClass::blind;
  const struct {
    DoubtCase doubt;
    DoubtStep step;
  } rows[] = {
      {{idempotent, true, {}, DoubtPolicy::wait, true}, repeat},
      {{idempotent, true, {}, DoubtPolicy::fail, true}, repeat},
      {{idempotent, true, {}, DoubtPolicy::wait, false}, wait},  // cancelled or expired: a repeat may be the first
      {{idempotent, true, {}, DoubtPolicy::resend, false}, fail},
      {{idempotent, false, {}, DoubtPolicy::wait, true}, wait},  // past the key's life it is blind
      {{idempotent, false, {}, DoubtPolicy::resend, true}, resend},
      {{idempotent, false, {}, DoubtPolicy::fail, true}, fail},
      {{queryable, false, {}, DoubtPolicy::resend, true}, look_up},
      {{queryable, false, Found::unknown, DoubtPolicy::resend, true}, look_up},
      {{queryable, false, Found::accepted, DoubtPolicy::resend, true}, settled},
      {{queryable, false, Found::refused, DoubtPolicy::resend, true}, settled},
      {{queryable, false, Found::nothing, DoubtPolicy::wait, true}, resend},
      {{queryable, false, Found::nothing, DoubtPolicy::wait, false}, fail},
      {{blind, false, {}, DoubtPolicy::wait, true}, wait},
      {{blind, false, {}, DoubtPolicy::wait, false}, wait},
      {{blind, false, {}, DoubtPolicy::resend, true}, resend},
      {{blind, false, {}, DoubtPolicy::resend, false}, fail},
      {{blind, false, {}, DoubtPolicy::fail, true}, fail},
      {{blind, true, {}, DoubtPolicy::wait, true}, wait},
  };
  for (const auto& row : rows) {
    INFO("class " << static_cast<int>(row.doubt.provider_class) << " policy " << static_cast<int>(row.doubt.policy));
    CHECK(step_of(row.doubt) == row.step);
  }
}

TEST_CASE_METHOD(Fixture, "I5 a repeat goes to the same provider, while it remembers the key") {
  rules = {DoubtClass::idempotent, 600'000};
  const auto decided = decide();
  REQUIRE(decided.step == DoubtStep::repeat);
  REQUIRE(decided.change);
  REQUIRE(decided.change->due);
  CHECK(decided.change->due->provider == "gateway");
  CHECK(decided.change->due->attempt_no == 2);
  // 600 s of life, of which 60 are over, less the 40 that a request may last.
  CHECK(decided.change->due->send_until == WallTime{view.now.us + 500'000'000});
  CHECK(decided.change->decision->decision == "resend");
  CHECK(decided.change->decision->attempt_no == 1);
  CHECK(decided.change->status->status == Status::queued);
  CHECK(decided.change->status->before == view.message.head);
}

TEST_CASE_METHOD(Fixture, "I5 past the key's life, or where the window opens only then, a provider is blind") {
  rules = {DoubtClass::idempotent, 600'000};
  doubt.key_age_ms = 560'001;
  CHECK(decide().step == DoubtStep::wait);
  CHECK(decide(DoubtPolicy::resend).step == DoubtStep::resend);
  CHECK(decide(DoubtPolicy::resend).change->due->provider.empty());
  doubt.key_age_ms = 0;
  due_at = {view.now.us + 10 * kMinuteUs};  // the recipient's night ends then
  CHECK(decide().step == DoubtStep::wait);
}

TEST_CASE_METHOD(Fixture, "what may not be sent is not sent again") {
  SECTION("expired") { view.message.expires_at = view.now; }
  SECTION("cancelled") { view.message.is_cancel_requested = true; }
  SECTION("all attempts used") { view.message.attempts = 8; }
  SECTION("fewer attempts asked for") { view.message.max_attempts = 1; }
  SECTION("no route") { has_route = false; }
  const auto decided = decide(DoubtPolicy::resend);
  CHECK(decided.step == DoubtStep::fail);
  REQUIRE(decided.change);
  CHECK(decided.change->status->status == Status::failed);
  CHECK_FALSE(decided.change->due);
}

TEST_CASE_METHOD(Fixture, "I6 a doubt that the policy ends has failed without proof") {
  const auto decided = decide(DoubtPolicy::fail);
  REQUIRE(decided.change);
  CHECK(decided.change->status->is_proven == false);
  CHECK(decided.change->status->failure_reason == "in_doubt");
  CHECK(decided.change->status->entry.canon.find("\"proven\":false") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a doubt that was settled meanwhile is left alone") {
  SECTION("by a receipt") { view.message.status = Status::delivered; }
  SECTION("by another try") {
    AttemptRow second = view.attempts[0];
    second.attempt_no = 2;
    view.attempts.push_back(second);
  }
  SECTION("by a person, whose attempt is due") {
    view.message.status = Status::queued;
    view.due = DueRow{};
  }
  CHECK_FALSE(decide(DoubtPolicy::resend).change);
}

TEST_CASE_METHOD(Fixture, "I5 a repeat that comes too late goes back into doubt by a void, and is blind then") {
  view.message.status = Status::queued;
  view.due = DueRow{view.message.id, 2, Priority::normal, "sms", "ward", "gateway", view.now, view.now};
  const auto change = doubt_again(view, ids, "signetd-1");
  REQUIRE(change);
  CHECK(change->void_attempt->attempt_no == 2);
  CHECK(change->ends_due);
  CHECK(change->status->status == Status::in_doubt);

  view.message.status = Status::in_doubt;
  view.due.reset();
  AttemptRow voided;
  voided.attempt_no = 2;
  voided.is_void = true;
  view.attempts.push_back(voided);
  rules = {DoubtClass::idempotent, 600'000};
  doubt.key_age_ms = 600'000;
  const auto decided = decide(DoubtPolicy::resend);
  REQUIRE(decided.step == DoubtStep::resend);
  CHECK(decided.change->due->attempt_no == 3);
  CHECK(decided.change->decision->attempt_no == 2);  // what the permit of the third looks for
}

TEST_CASE_METHOD(Fixture, "a repeat in its time, or under a permit, is not stopped") {
  view.message.status = Status::queued;
  view.due = DueRow{view.message.id, 2, Priority::normal, "sms", "ward", "gateway", view.now, {}};
  SECTION("in its time") { view.due->send_until = WallTime{view.now.us + 1}; }
  SECTION("under a permit") {
    view.due->send_until = view.now;
    view.attempts.push_back({});
    view.attempts.back().attempt_no = 2;
  }
  SECTION("pinned to nobody") {
    view.due->send_until = view.now;
    view.due->provider.clear();
  }
  CHECK_FALSE(doubt_again(view, ids, "signetd-1"));
}
