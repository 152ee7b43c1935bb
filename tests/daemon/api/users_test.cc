// Users, their tokens, and that changes act at once.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Actions = std::vector<std::string>;

World::Answer change(World& world, const Caller& admin, const Caller& user, const Json& body, int version = 0) {
  if (version == 0)
    version = static_cast<int>(world.sql("select version from users where id = '" + user.id.text() + "'").number(0, 0));
  return world.call("PATCH", "/api/users/" + user.id.text(), admin, body.dump(),
                    {{"if-match", '"' + std::to_string(version) + '"'}});
}

TEST_CASE("only administrators see and change users and tokens") {
  World world;
  const Caller admin = world.user(Role::admin), subject = world.user(Role::staff);
  const std::string user = "/api/users/" + subject.id.text();
  const std::string token = world.call("GET", "/api/me", subject).body["token"]["id"];
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::auditor, Role::service}) {
    const Caller caller = world.user(role);
    (void)world.new_actions();
    CHECK(world.call("GET", "/api/users", caller).status == 403);
    CHECK(world.call("POST", "/api/users", caller, "{}").status == 403);
    CHECK(world.call("GET", user, caller).status == 403);
    CHECK(world.call("PATCH", user, caller, "{}").status == 403);
    CHECK(world.call("POST", user + "/unlock", caller).status == 403);
    CHECK(world.call("GET", "/api/tokens", caller).status == 403);
    CHECK(world.call("POST", "/api/tokens", caller, "{}").status == 403);
    CHECK(world.call("DELETE", "/api/tokens/" + token, caller).status == 403);
    CHECK(world.new_actions() == Actions(8, "refused"));
    CHECK(world.last_event("refused")["reasonCode"] == "ROLE");
  }
  CHECK(world.call("GET", "/api/users", admin).body["items"].size() == 7);
  CHECK(world.new_actions() == Actions{"users_listed"});
}

TEST_CASE("an administrator makes a user, who logs in with the password given") {
  World world;
  const Caller admin = world.user(Role::admin);
  const Json body{{"name", "Ada"},
                  {"email", "ada@clinic.example"},
                  {"role", "doctor"},
                  {"registration", "MED1"},
                  {"password", "correct horse battery"}};
  const auto made = world.call("POST", "/api/users", admin, body.dump());
  CHECK(made.status == 201);
  CHECK(made.header("ETag") == "\"1\"");
  CHECK(made.body["hasPassword"] == true);
  CHECK(made.raw.body.find("battery") == std::string::npos);
  CHECK(world.new_actions() == Actions{"user_created"});
  const Caller ada = world.log_in({{}, "", "ADA@clinic.example"}, "correct horse battery");
  CHECK(world.call("GET", "/api/me", ada).body["role"] == "doctor");
  const auto twice = world.call("POST", "/api/users", admin, body.dump());
  CHECK(twice.status == 409);
  CHECK(world.last_event("refused")["reasonCode"] == "EMAIL_TAKEN");
  for (const char* member : {"name", "email", "role"}) {
    Json bad = body;
    bad.erase(member);
    CHECK(world.call("POST", "/api/users", admin, bad.dump()).status == 400);
  }
  Json bad = body;
  bad["role"] = "king";
  CHECK(world.call("POST", "/api/users", admin, bad.dump()).status == 400);
}

TEST_CASE("a change needs the version that was read") {
  World world;
  const Caller admin = world.user(Role::admin), staff = world.user(Role::staff);
  const std::string path = "/api/users/" + staff.id.text();
  CHECK(world.call("PATCH", path, admin, R"({"name":"New"})").status == 428);
  const auto good = change(world, admin, staff, {{"name", "New"}, {"mayReadContent", false}}, 1);
  CHECK(good.status == 200);
  CHECK(good.header("ETag") == "\"2\"");
  CHECK(good.body["name"] == "New");
  CHECK(world.last_event("user_changed")["detail"]["members"] == "name");
  CHECK(change(world, admin, staff, {{"name", "Older"}}, 1).status == 412);
  CHECK(world.call("GET", path, admin).body["name"] == "New");
}

TEST_CASE("another role acts at once, with the same token") {
  World world;
  const Caller admin = world.user(Role::admin), author = world.user(Role::staff), other = world.user(Role::staff);
  const std::string id = world.submitted(author);
  CHECK(world.call("GET", "/api/messages/" + id, other).status == 403);
  (void)world.new_actions();
  CHECK(change(world, admin, other, {{"role", "reviewer"}}).status == 200);
  CHECK(world.new_actions() == Actions{"role_changed"});
  CHECK(world.last_event("role_changed")["detail"] == Json{{"from", "staff"}, {"to", "reviewer"}});
  CHECK(world.call("GET", "/api/messages/" + id, other).status == 200);
  CHECK(change(world, admin, other, {{"role", "staff"}}).status == 200);
  CHECK(world.call("GET", "/api/messages/" + id, other).status == 403);
}

TEST_CASE("who is disabled is out at once, by token and by session") {
  World world;
  const Caller admin = world.user(Role::admin), doctor = world.user(Role::doctor);
  world.set_password(doctor, "correct horse battery");
  const Caller session = world.log_in(doctor, "correct horse battery");
  CHECK(change(world, admin, doctor, {{"disabled", true}}).status == 200);
  CHECK(world.last_event("user_changed")["detail"]["sessionsRevoked"] == 1);
  CHECK(world.call("GET", "/api/me", doctor).status == 401);
  CHECK(world.call("GET", "/api/me", session).status == 401);
  CHECK(change(world, admin, doctor, {{"disabled", false}}).status == 200);
  CHECK(world.call("GET", "/api/me", doctor).status == 200);
  CHECK(world.call("GET", "/api/me", session).status == 401);
}

TEST_CASE("an administrator may not change his own role or disable himself, and one always stays") {
  World world;
  const Caller admin = world.user(Role::admin), other = world.user(Role::admin);
  CHECK(change(world, admin, admin, {{"role", "staff"}}).status == 403);
  CHECK(change(world, admin, admin, {{"disabled", true}}).status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "OWN_ROLE");
  CHECK(change(world, admin, admin, {{"name", "Still me"}}).status == 200);
  CHECK(change(world, admin, other, {{"role", "auditor"}}).status == 200);
  CHECK(world.call("GET", "/api/users", other).status == 403);
  CHECK(world.count("users where role = 4 and disabled_at is null") == 1);
}

TEST_CASE("two administrators who dismiss each other at once leave one") {
  World world;
  const Caller a = world.user(Role::admin), b = world.user(Role::admin);
  for (int round = 0; round < 5; ++round) {
    world.sql("update users set role = 4");
    int statuses[2] = {};
    std::thread other([&] { statuses[0] = change(world, a, b, {{"role", "staff"}}, 2 * round + 1).status; });
    statuses[1] = change(world, b, a, {{"role", "staff"}}, 2 * round + 1).status;
    other.join();
    CAPTURE(round, statuses[0], statuses[1]);
    CHECK(world.count("users where role = 4") == 1);
    world.sql("update users set version = " + std::to_string(2 * round + 3));
  }
}

TEST_CASE("a password that an administrator sets ends the sessions and the lock") {
  World world;
  const Caller admin = world.user(Role::admin), doctor = world.user(Role::doctor);
  world.set_password(doctor, "correct horse battery");
  const Caller session = world.log_in(doctor, "correct horse battery");
  world.sql("update users set failed_logins = 10, locked_until = '2030-01-01' where id = '" + doctor.id.text() + "'");
  (void)world.new_actions();
  CHECK(change(world, admin, doctor, {{"password", "another good one"}}).status == 200);
  CHECK(world.new_actions() == Actions{"password_changed"});
  CHECK(world.call("GET", "/api/me", session).status == 401);
  (void)world.log_in(doctor, "another good one");
}

TEST_CASE("a token is shown once, works, and ends when it is revoked or lapses") {
  World world;
  const Caller admin = world.user(Role::admin), service = world.user(Role::service);
  const auto make = [&](Json body, const Headers& headers = {}) {
    body["userId"] = service.id.text();
    return world.call("POST", "/api/tokens", admin, body.dump(), headers);
  };
  (void)world.new_actions();
  const auto made = make({{"scopes", {"approve", "delivery:write"}}});
  REQUIRE(made.status == 201);
  CHECK(world.new_actions() == Actions{"token_created"});
  const Caller caller{service.id, made.body["token"]};
  CHECK(world.call("GET", "/api/me", caller).body["token"]["scopes"] == Json{"approve", "delivery:write"});
  const auto listed = world.call("GET", "/api/tokens?userId=" + service.id.text(), admin);
  CHECK(listed.body["items"].size() == 2);
  CHECK(listed.raw.body.find(caller.token) == std::string::npos);
  CHECK(world.call("DELETE", "/api/tokens/" + made.body["id"].get<std::string>(), admin).status == 204);
  CHECK(world.call("GET", "/api/me", caller).status == 401);
  CHECK(make({{"scopes", {"everything"}}}).status == 400);
  CHECK(make({{"expiresAt", "2020-01-01T00:00:00Z"}}).status == 400);
  const auto short_lived = make({{"expiresAt", rfc3339({world.clock.wall().us + 60'000'000})}});
  const Caller brief{service.id, short_lived.body["token"]};
  CHECK(world.call("GET", "/api/me", brief).status == 200);
  world.clock.advance_ms(60'000);
  CHECK(world.call("GET", "/api/me", brief).status == 401);
}

TEST_CASE("a repeat of making a token makes no other, and does not show it again") {
  World world;
  const Caller admin = world.user(Role::admin);
  const std::string body = Json{{"userId", admin.id.text()}}.dump();
  const auto first = world.call("POST", "/api/tokens", admin, body, {{"idempotency-key", "k1"}});
  const auto again = world.call("POST", "/api/tokens", admin, body, {{"idempotency-key", "k1"}});
  CHECK(again.status == 201);
  CHECK(again.body["id"] == first.body["id"]);
  CHECK(first.body["token"].is_string());
  CHECK(again.body["token"].is_null());
  CHECK(world.count("tokens") == 2);
}

TEST_CASE("a token with the scope `read` and nothing else may change nothing") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  const Caller reader = world.with_token(doctor, {"read"});
  CHECK(world.call("GET", "/api/messages", reader).status == 200);
  CHECK(world.call("POST", "/api/messages", reader, "{}").status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "SCOPE");
  CHECK(world.call("POST", "/api/messages", world.with_token(doctor, {"read", "approve"}), "{}").status == 400);
}

}  // namespace
}  // namespace signet::api
