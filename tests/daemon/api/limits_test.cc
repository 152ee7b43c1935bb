// Limits as a client meets them.
#include "daemon/access/limits.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/access/log_in.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Actions = std::vector<std::string>;

struct LimitedWorld : World {
  Limits limits{{.read = 5, .write = 2, .approve = 2, .export_evidence = 1, .log_in = 3}, clock, "index key", {}};
  LimitedWorld() { services.limits = &limits; }
};

constexpr char kWrong[] = R"({"email":"nobody@clinic.example","password":"a wrong password"})";

TEST_CASE("every reply of a limited class says what is left; over the limit it is 429, and when to come again") {
  LimitedWorld world;
  const Caller staff = world.user(Role::staff), other = world.user(Role::staff);
  const auto first = world.call("GET", "/api/messages", staff);
  CHECK(first.header("RateLimit-Policy") == "\"read\";q=5;w=60");
  CHECK(first.header("RateLimit") == "\"read\";r=4;t=12");
  CHECK(world.call("GET", "/healthz", {}).header("RateLimit").empty());
  for (int i = 0; i < 4; ++i) CHECK(world.call("GET", "/api/messages", staff).status == 200);
  const auto over = world.call("GET", "/api/messages", staff);
  CHECK(over.status == 429);
  CHECK(over.body["code"] == "RATE_LIMITED");
  CHECK(over.header("RateLimit") == "\"read\";r=0;t=60");
  CHECK(over.header("Retry-After") == "12");
  CHECK(world.call("GET", "/api/messages", other).status == 200);
  CHECK(world.call("POST", "/api/messages", staff, "{}").header("RateLimit") == "\"write\";r=1;t=30");
  world.clock.advance_ms(12'000);
  CHECK(world.call("GET", "/api/messages", staff).status == 200);
  CHECK(world.call("GET", "/api/messages", staff).status == 429);
}

TEST_CASE("refusals over a limit are one event at once, and one a minute with their number") {
  LimitedWorld world;
  const Caller staff = world.user(Role::staff);
  for (int i = 0; i < 2; ++i) CHECK(world.call("POST", "/api/messages", staff, "{}").status == 400);
  (void)world.new_actions();
  for (int i = 0; i < 9; ++i) CHECK(world.call("POST", "/api/messages", staff, "{}").status == 429);
  CHECK(world.new_actions() == Actions{"refused"});
  Json event = world.last_event("refused");
  CHECK(event["reasonCode"] == "RATE_LIMITED");
  CHECK(event["detail"]["count"] == 1);
  CHECK(event["actor"]["id"] == staff.id.text());
  world.admin.record_throttled();
  CHECK(world.new_actions().empty());
  world.clock.advance_ms(60'000);
  world.admin.record_throttled();
  CHECK(world.new_actions() == Actions{"refused"});
  CHECK(world.last_event("refused")["detail"]["count"] == 8);
  world.clock.advance_ms(60'000);
  world.admin.record_throttled();
  CHECK(world.new_actions().empty());
}

TEST_CASE("log-ins are limited by address, and wrong tokens count among them") {
  LimitedWorld world;
  CHECK(world.call("POST", "/api/session", {}, kWrong).status == 401);
  CHECK(world.call("GET", "/api/me", {{}, "sgn_" + std::string(43, 'a')}).status == 401);
  CHECK(world.call("GET", "/api/me", {{}, "sgn_" + std::string(43, 'b')}).status == 401);
  for (int i = 0; i < 5; ++i) {
    CHECK(world.call("GET", "/api/me", {{}, "sgn_" + std::string(43, 'c')}).status == 429);
    CHECK(world.call("POST", "/api/session", {}, kWrong).status == 429);
  }
  CHECK(world.new_actions() == Actions{"login_refused", "refused", "refused", "refused"});
  // Who is known is not kept out by others at the same address.
  CHECK(world.call("GET", "/api/me", world.user(Role::staff)).status == 200);
}

TEST_CASE("log-ins are limited by account too, wherever they come from") {
  World world;
  // Addresses count for nothing here: each attempt comes with a limit of its own.
  const auto attempt = [&](Limits& limits) {
    world.services.limits = &limits;
    return world.call("POST", "/api/session", {}, kWrong);
  };
  const std::string account = "sg:rate:log-in:" + account_key(world.keyring.index_key(), "nobody@clinic.example");
  std::map<std::string, int64_t> kept;
  int address = 0;
  const auto shared = [&](const std::string& key, int64_t quota, int64_t window_us) -> Result<RateAnswer> {
    const bool is_account = key == account;
    return gcra(kept[is_account ? key : std::to_string(++address)], world.clock.tick().us, quota, window_us);
  };
  for (int i = 0; i < 3; ++i) {
    Limits fresh({.log_in = 3}, world.clock, "k", shared);
    CHECK(attempt(fresh).status == 401);
  }
  Limits fresh({.log_in = 3}, world.clock, "k", shared);
  const auto over = attempt(fresh);
  CHECK(over.status == 429);
  CHECK(over.header("Retry-After") == "20");
}

TEST_CASE("a request that is run again, since others were in its way, is counted once") {
  LimitedWorld world;
  const Caller staff = world.user(Role::staff);
  world.postgres.restart();  // each pooled connection is dead
  CHECK(world.call("GET", "/api/messages", staff).status == 200);
  CHECK(world.call("GET", "/api/messages", staff).header("RateLimit") == "\"read\";r=3;t=24");
}

}  // namespace
}  // namespace signet::api
