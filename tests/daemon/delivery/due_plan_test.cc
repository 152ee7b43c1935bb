#include "daemon/delivery/due_plan.h"

#include <catch2/catch.hpp>

using namespace signet;

namespace {

WallTime at(const std::string& text) { return parse_rfc3339(text).value(); }

}  // namespace

TEST_CASE("a due row has its lane, its sender and its window") {
  const Routes routes({Route{Kind::sms, {"NZ"}, {}, {{"b", 100}}}, Route{Kind::sms, {"AU"}, {}, {{"a", 100}}}});
  const auto quiet = QuietHours::make({21 * 60, 8 * 60, {"Australia/Sydney"}, {false, false, true, true}});
  const DuePlan plan(routes, **quiet);
  MessageRow message;
  message.id = parse_uuid("019ab000-0000-7000-8000-000000000001").value();
  message.author_id = parse_uuid("019ab000-0000-7000-8000-00000000abcd").value();
  message.destination = "AU";
  message.time_zone = "Australia/Perth";
  message.expires_at = at("2026-06-12T00:00:00Z");
  const auto row = plan.row(due_facts(message), 3, at("2026-06-10T14:00:00Z"));
  REQUIRE(row.has_value());
  CHECK(row->message_id == message.id);
  CHECK(row->attempt_no == 3);
  CHECK(row->lane == "sms-2");
  CHECK(row->sender == "00000000abcd");
  CHECK(row->due_at == at("2026-06-11T00:00:00Z"));
  CHECK(row->send_until == at("2026-06-11T13:00:00Z"));
  message.is_urgent = true;
  CHECK(plan.row(due_facts(message), 3, at("2026-06-10T14:00:00Z"))->due_at == at("2026-06-10T14:00:00Z"));
  message.destination = "FR";
  CHECK_FALSE(plan.row(due_facts(message), 3, at("2026-06-10T14:00:00Z")).has_value());
}
