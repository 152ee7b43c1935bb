// What the daemon itself writes, over the whole way: its queue, its evidence, a mail relay.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/chaos/world.h"

using namespace signet;
using Json = nlohmann::json;

TEST_CASE("a test alert arrives as a mail by `system`, with a permit, a result and events like any other") {
  WorldOptions options;
  options.more = "alerts: { receivers: [ { name: on-call, mail: OnCall@Example.ORG } ] }\n";
  World world(options);
  world.start_daemon();
  const std::string token = world.token("admin");
  const auto asked = world.http("POST", world.admin_port, "/api/alerts", R"({"receiver":"on-call"})", token);
  INFO(asked.body << world.daemon_log());
  REQUIRE(asked.status == 201);
  wait_until(
      "the mail is sent", [&] { return world.count("message where status in (5, 6)") == 1; }, 30);
  CHECK(world.value("select policy_id from approval") == "system");
  CHECK(world.count("attempt_result where outcome = 1") == 1);
  const std::string arrived = world.http("GET", world.sandbox_port, "/sandbox/messages").body;
  INFO(arrived);
  CHECK(arrived.find("OnCall@example.org") != std::string::npos);
  CHECK(arrived.find("This is a test") != std::string::npos);
  CHECK(world.value("select string_agg(action, ',' order by event_id) from audit.entry where object_id = (select id "
                    "from message)") == "draft_generated,queued,sent");
  CHECK(world.stop_daemon() == 0);
  (void)world.run({"verify"});  // and every check of the evidence holds for it
}

TEST_CASE("a report is made over the API while the daemon runs, and is fetched in the same answer") {
  World world;
  world.insert_sms(20);
  world.start_daemon();
  wait_until("all are delivered", [&] { return world.count("message where status = 6") == 20; });
  const std::string token = world.token("auditor");
  const auto made = world.http("POST", world.admin_port, "/api/audit-export/compliance-report?wait=true",
                               R"({"from":"2026-01-01T00:00:00Z","format":"json"})", token);
  INFO(made.body << world.daemon_log());
  REQUIRE(made.status == 200);
  const Json report = Json::parse(made.body);
  CHECK(report["delivery"]["sent"] == 20);
  CHECK(report["delivery"]["confirmed"] == 20);
  CHECK(report["messages"]["drafted"] == 20);
  CHECK(made.body.find("+6149") == std::string::npos);
  CHECK(world.stop_daemon() == 0);
}
