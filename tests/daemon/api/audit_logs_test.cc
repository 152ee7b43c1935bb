#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;

Json items(ApiWorld& world, const Caller& reader, const std::string& query = "") {
  const auto answer = world.call("GET", "/api/audit-logs" + query, reader);
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  return answer.body["items"];
}

TEST_CASE("the log is read newest first, page by page, and reading it is an entry too") {
  ApiWorld world;
  const auto admin = world.user(Role::admin);
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  const auto all = items(world, admin);
  REQUIRE(all.size() == 5);  // the key that was enrolled to sign, and four of the message
  CHECK(all[0]["action"] == "queued");
  CHECK(all[4]["action"] == "draft_generated");
  CHECK(all[4]["messageId"] == id);
  CHECK(all[4]["channel"] == "sms");
  CHECK(world.last_event("audit_read")["detail"]["rows"] == 5);
  std::set<std::string> seen;
  std::string cursor;
  for (int page = 0; page < 6; ++page) {
    const auto answer = world.call(
        "GET", "/api/audit-logs?limit=2&messageId=" + id + (cursor.empty() ? "" : "&cursor=" + cursor), admin);
    for (const auto& item : answer.body["items"]) seen.insert(item["id"]);
    if (answer.body["nextCursor"].is_null()) break;
    cursor = answer.body["nextCursor"];
  }
  CHECK(seen.size() == 4);
}

TEST_CASE("each filter narrows the log to what it names") {
  ApiWorld world;
  const auto admin = world.user(Role::admin), staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  world.queued(staff, reviewer, {{"patientId", "P-1"}});
  const auto later = rfc3339({world.clock.wall().us + 1'000'000});
  world.clock.advance_ms(2000);
  world.draft(staff, {{"kind", "email"}, {"recipientPhone", nullptr}, {"recipientEmail", "a@example.org"}});
  CHECK(items(world, admin, "?action=queued").size() == 1);
  CHECK(items(world, admin, "?actor=" + reviewer.id.text()).size() == 3);
  CHECK(items(world, admin, "?status=approved").size() == 1);
  CHECK(items(world, admin, "?channel=email").size() == 1);
  CHECK(items(world, admin, "?from=" + later + "&action=draft_generated").size() == 1);
  CHECK(items(world, admin, "?to=" + later + "&action=draft_generated").size() == 1);
  auto search = [&](const Json& body) {
    return world.call("POST", "/api/audit-logs/search", admin, body.dump()).body["items"].size();
  };
  CHECK(search({{"patientId", "P-1"}}) == 4);
  CHECK(search({{"patientId", "P-2"}}) == 0);
  CHECK(search({{"recipientEmail", "a@example.org"}}) == 1);
  for (const char* bad : {"?from=x", "?actor=x", "?status=lost", "?patient=P-1", "?limit=500"})
    CHECK(world.call("GET", "/api/audit-logs" + std::string(bad), admin).status == 400);
}

TEST_CASE("statistics count by action, actor, status and day") {
  ApiWorld world;
  const auto admin = world.user(Role::admin), staff = world.user(Role::staff);
  world.queued(staff, world.user(Role::reviewer));
  const auto answer = world.call("GET", "/api/audit-logs?statistics=true", admin).body;
  CHECK(answer["total"] == 5);
  CHECK(answer["byAction"]["queued"] == 1);
  CHECK(answer["byActor"][staff.id.text()] == 2);
  CHECK(answer["byStatus"]["pending_review"] == 1);
  CHECK(answer["byDay"].size() == 1);
}

TEST_CASE("who reads which entries is said by the role table") {
  ApiWorld world;
  const auto author = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.queued(author, reviewer);
  for (const Role role : {Role::admin, Role::auditor}) CHECK(items(world, world.user(role)).size() >= 5);
  CHECK(items(world, author).size() == 2);  // his own two
  CHECK(items(world, reviewer, "?messageId=" + id).size() == 4);
  CHECK(items(world, world.user(Role::doctor), "?messageId=" + id).empty());
  CHECK(items(world, world.user(Role::staff)).empty());
  CHECK(world.call("GET", "/api/audit-logs", world.user(Role::service)).status == 403);
  // From where others came is for those who read the whole log.
  for (const auto& item : items(world, reviewer, "?messageId=" + id))
    CHECK(item["actor"].contains("ip") == (item["actor"]["id"] == reviewer.id.text()));
}

TEST_CASE("an entry is shown with what was known of its message at that moment") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(
      staff, {{"generation", {{"primaryModel", "model-a"}, {"inputTokens", 100}, {"outputTokens", 20}}}});
  world.clock.advance_ms(1000);
  REQUIRE(world.review(reviewer, id, {{"finalContent", "Your result is good."}, {"reviewNotes", "clearer"}}).status ==
          200);
  const auto mine = items(world, reviewer, "?messageId=" + id);
  REQUIRE(mine.size() == 4);
  const Json &queued = mine[0], &drafted = mine[3];
  CHECK(queued["aiModelUsed"] == "model-a");
  CHECK(queued["tokensConsumed"] == 120);
  CHECK(queued["reviewerId"] == reviewer.id.text());
  CHECK(queued["reviewNotes"] == "clearer");
  CHECK(queued["editHistory"].size() == 1);
  CHECK(queued["retryCount"] == 0);
  CHECK(queued["contentHash"].get<std::string>().size() == 64);
  CHECK(drafted["reviewedAt"].is_null());
  CHECK(drafted["reviewNotes"].is_null());
  CHECK(drafted["editHistory"].empty());
  for (const auto& item : items(world, world.user(Role::auditor), "?messageId=" + id)) {
    CHECK_FALSE(item.contains("reviewNotes"));
    CHECK_FALSE(item.contains("patientId"));
    CHECK(item["aiModelUsed"] == "model-a");
  }
}

TEST_CASE("a note is recorded under its caller's own name, and nothing else can be said") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), other = world.user(Role::staff);
  const auto id = world.draft(staff);
  const auto made =
      world.call("POST", "/api/audit-logs", staff, Json{{"note", "Patient called."}, {"messageId", id}}.dump());
  REQUIRE(made.status == 201);
  const auto event = world.last_event("external_note");
  CHECK(event["actor"]["id"] == staff.id.text());
  CHECK(event["object"]["n"].is_null());
  CHECK(event.dump().find("called") == std::string::npos);
  CHECK(items(world, staff, "?action=external_note")[0]["note"] == "Patient called.");
  for (const char* member : {"actor", "ip", "at", "action", "status"}) {
    const auto forged = world.call("POST", "/api/audit-logs", staff, Json{{"note", "x"}, {member, "x"}}.dump());
    CHECK(forged.status == 400);
    CHECK(world.last_event("refused")["detail"]["attempted"] == "note");
  }
  CHECK(world.call("POST", "/api/audit-logs", other, Json{{"note", "x"}, {"messageId", id}}.dump()).status == 403);
  CHECK(world.call("POST", "/api/audit-logs", staff, R"({"note":"Without a message."})").status == 201);
  CHECK(items(world, staff, "?action=external_note").size() == 2);
}

}  // namespace
}  // namespace signet::api
