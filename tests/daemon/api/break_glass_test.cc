// Break-glass widens reading for a while, is seen, and is looked at by another.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Actions = std::vector<std::string>;

constexpr char kReason[] = "Mrs Miller collapsed and her letter is nowhere";

std::string body(int minutes, const std::string& reason = kReason) {
  return Json{{"reason", reason}, {"minutes", minutes}}.dump();
}

bool sees_content(World& world, const Caller& caller, const std::string& id) {
  const auto answer = world.call("GET", "/api/messages/" + id, caller);
  REQUIRE(answer.status == 200);
  return answer.raw.body.find("Your result is fine.") != std::string::npos;
}

TEST_CASE("an administrator reads content while break-glass lasts, and no longer") {
  World world;
  std::vector<std::string> alarms;
  world.services.alarm = [&](std::string_view reason) { alarms.emplace_back(reason); };
  const Caller admin = world.user(Role::admin), author = world.user(Role::staff), other = world.user(Role::admin);
  const std::string id = world.draft(author);
  CHECK_FALSE(sees_content(world, admin, id));
  (void)world.new_actions();
  const auto opened = world.call("POST", "/api/break-glass", admin, body(30));
  CHECK(opened.status == 201);
  CHECK(opened.body["open"] == true);
  CHECK(world.new_actions() == Actions{"break_glass_opened"});
  CHECK(world.last_event("break_glass_opened")["detail"]["minutes"] == 30);
  CHECK(alarms == std::vector<std::string>{"break_glass"});
  CHECK(world.log.all().find("alarm=break_glass") != std::string::npos);
  CHECK(sees_content(world, admin, id));
  CHECK(world.new_actions() == Actions{"content_read"});
  CHECK_FALSE(sees_content(world, other, id));
  world.clock.advance_ms(30 * 60'000 - 1);
  CHECK(sees_content(world, admin, id));
  world.clock.advance_ms(1);
  CHECK_FALSE(sees_content(world, admin, id));
  CHECK(world.log.all().find("Miller") == std::string::npos);
  CHECK(world.count("break_glass where position('Miller'::bytea in reason) > 0") == 0);
  CHECK(world.count("audit.entry where position('Miller'::bytea in canon) > 0") == 0);
}

TEST_CASE("only administrators open it, with a reason, for four hours at most") {
  World world;
  const Caller admin = world.user(Role::admin);
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::auditor, Role::service})
    CHECK(world.call("POST", "/api/break-glass", world.user(role), body(10)).status == 403);
  CHECK(world.call("POST", "/api/break-glass", admin, body(0)).status == 400);
  CHECK(world.call("POST", "/api/break-glass", admin, body(241)).status == 400);
  CHECK(world.call("POST", "/api/break-glass", admin, body(10, " \n")).status == 400);
  CHECK(world.call("POST", "/api/break-glass", admin, R"({"minutes":10})").status == 400);
  CHECK(world.count("break_glass") == 0);
}

TEST_CASE("it stays on the list until another person has reviewed it") {
  World world;
  const Caller admin = world.user(Role::admin), auditor = world.user(Role::auditor), staff = world.user(Role::staff);
  const std::string id = world.call("POST", "/api/break-glass", admin, body(10)).body["id"];
  CHECK(world.call("GET", "/api/break-glass", staff).status == 403);
  (void)world.new_actions();
  const auto listed = world.call("GET", "/api/break-glass", auditor);
  CHECK(listed.body["items"][0]["reason"] == kReason);
  CHECK(listed.body["items"][0]["reviewedBy"].is_null());
  CHECK(world.new_actions() == Actions{"break_glass_listed"});
  const std::string path = "/api/break-glass/" + id + "/review";
  CHECK(world.call("POST", path, staff).status == 403);
  CHECK(world.call("POST", path, admin).status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "SELF_REVIEW");
  (void)world.new_actions();
  const auto reviewed = world.call("POST", path, auditor);
  CHECK(reviewed.status == 200);
  CHECK(reviewed.body["reviewedBy"] == auditor.id.text());
  CHECK(world.new_actions() == Actions{"break_glass_reviewed"});
  CHECK(world.call("POST", path, auditor).status == 409);
  CHECK(world.call("GET", "/api/break-glass", auditor).body["items"][0]["reviewedBy"] == auditor.id.text());
}

TEST_CASE("an auditor reads content where that was granted") {
  World world;
  const Caller auditor = world.user(Role::auditor), author = world.user(Role::staff);
  const std::string id = world.draft(author);
  CHECK_FALSE(sees_content(world, auditor, id));
  world.sql("update users set may_read_content = true");
  CHECK(sees_content(world, auditor, id));
}

}  // namespace
}  // namespace signet::api
