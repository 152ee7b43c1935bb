#include "daemon/delivery/refusal.h"

#include <catch2/catch.hpp>

using namespace signet;

namespace {

using Step = PermitRefusal::Step;

struct Fixture {
  Routes routes{{Route{Kind::sms, {"AU"}, {}, {{"one", 1}}}, Route{Kind::sms, {}, {}, {{"two", 1}}}}};
  std::unique_ptr<QuietHours> quiet = [] {
    QuietSettings settings;
    settings.default_zones = {"UTC"};
    settings.applies_to[3] = true;
    return QuietHours::make(settings).value();
  }();
  DuePlan plan{routes, *quiet};
  RefusalView view{routes, plan, [](const std::string& name) { return name == "one" || name == "two"; }};
  WallTime now = *parse_rfc3339("2026-11-26T22:00:00Z");
  Permit permit;

  Fixture() {
    permit.attempt_no = 1;
    permit.lane = "sms";
    permit.destination = "NZ";
    permit.priority = Priority::bulk;
  }
  PermitRefusal of(PermitVerdict verdict, bool is_look = false, bool was_unknown = false) {
    permit.verdict = verdict;
    return refusal_of(permit, is_look, was_unknown, view, now);
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "each verdict has its consequence, for a claimed hint and for a look") {
  const struct {
    PermitVerdict verdict;
    Step claimed, looked_at;
  } rows[] = {
      {PermitVerdict::nothing_due, Step::drop, Step::drop},    {PermitVerdict::not_queued, Step::drop, Step::drop},
      {PermitVerdict::cancel_requested, Step::end, Step::end}, {PermitVerdict::expired, Step::end, Step::end},
      {PermitVerdict::suppressed, Step::end, Step::end},       {PermitVerdict::not_yet, Step::wait, Step::drop},
      {PermitVerdict::window_closed, Step::move, Step::move},  {PermitVerdict::other_lane, Step::ask, Step::drop},
      {PermitVerdict::other_provider, Step::ask, Step::drop},  {PermitVerdict::out_of_order, Step::end, Step::end},
      {PermitVerdict::taken, Step::drop, Step::drop},          {PermitVerdict::avoided_provider, Step::ask, Step::drop},
      {PermitVerdict::paused, Step::wait, Step::wait},         {PermitVerdict::looked, Step::ask, Step::drop}};
  for (const auto& row : rows) {
    CAPTURE(static_cast<int>(row.verdict));
    CHECK(of(row.verdict).step == row.claimed);
    CHECK(of(row.verdict, true).step == row.looked_at);
  }
  CHECK(of(PermitVerdict::taken, false, true).step == Step::prove);
}

TEST_CASE_METHOD(Fixture, "past its window a message moves to the next one") {
  const PermitRefusal refusal = of(PermitVerdict::window_closed);
  CHECK(rfc3339_ms(refusal.again_at) == "2026-11-27T08:00:00.000Z");
  REQUIRE(refusal.send_until);
  CHECK(rfc3339_ms(*refusal.send_until) == "2026-11-27T21:00:00.000Z");
  CHECK(refusal.lane == "sms");
  permit.pinned_provider = "one";  // a repeat, and it is its key that has lapsed
  CHECK(of(PermitVerdict::window_closed).step == Step::drop);
}

TEST_CASE_METHOD(Fixture, "a lane that is gone is planned anew, and none means that it fails with an alarm") {
  permit.lane = "sms-9";
  permit.priority = Priority::normal;
  PermitRefusal refusal = of(PermitVerdict::looked);
  REQUIRE(refusal.step == Step::move);
  CHECK(refusal.lane == "sms-2");
  CHECK(refusal.again_at == now);
  permit.kind = Kind::letter;
  refusal = of(PermitVerdict::other_lane);
  REQUIRE(refusal.step == Step::end);
  CHECK(refusal.reason == "no_route");
  CHECK(refusal.is_alarm);
}

TEST_CASE_METHOD(Fixture, "a provider that is gone fails what it was pinned to, with an alarm") {
  permit.pinned_provider = "three";
  for (const auto verdict : {PermitVerdict::other_provider, PermitVerdict::looked}) {
    const PermitRefusal refusal = of(verdict);
    REQUIRE(refusal.step == Step::end);
    CHECK(refusal.status == Status::failed);
    CHECK(refusal.reason == "provider_gone");
    CHECK(refusal.is_alarm);
  }
}
