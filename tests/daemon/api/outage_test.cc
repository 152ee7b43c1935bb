#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using ApiWorld = BasicApiWorld<nlohmann::json>;

TEST_CASE("without its database the API answers 503 and what to do; after it is back, at once as before") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  {  // several connections lie in the pool
    auto a = world.pool.take(), b = world.pool.take(), c = world.pool.take();
    REQUIRE((a.ok() && b.ok() && c.ok()));
  }
  world.postgres.stop_immediate();
  for (const auto& answer :
       {world.call("GET", "/api/messages", staff),
        world.call("POST", "/api/message-workflow/review", reviewer,
                   R"({"messageId":")" + id + R"(","decision":"approved"})", {{"if-match", "\"1\""}}),
        world.call("POST", "/api/messages", staff, R"({"kind":"sms"})"), world.callback("test", "- 0 a failed e-1")}) {
    INFO(answer.raw.body);
    CHECK(answer.status == 503);
    CHECK(answer.body["code"] == "UNAVAILABLE");
    CHECK(answer.body["detail"].get<std::string>().find("/readyz") != std::string::npos);
  }
  CHECK(world.call("GET", "/healthz", {}).status == 200);
  CHECK(world.call("GET", "/api/me", {}).status == 401);
  world.postgres.start();
  CHECK(world.review(reviewer, id).status == 200);
  CHECK(world.came == 0);
}

TEST_CASE("connections that died while they lay in the pool cost no request its answer") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  {
    auto a = world.pool.take(), b = world.pool.take(), c = world.pool.take(), d = world.pool.take();
    REQUIRE((a.ok() && b.ok() && c.ok() && d.ok()));
  }
  world.postgres.restart();
  for (int i = 0; i < 5; ++i) CHECK(world.call("GET", "/api/me", staff).status == 200);
}

TEST_CASE("when all connections are busy the answer is 503, not a wait without end") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  auto a = world.pool.take(), b = world.pool.take(), c = world.pool.take(), d = world.pool.take();
  const auto answer = world.call("GET", "/api/me", staff);
  CHECK(answer.status == 503);
  CHECK(answer.body["title"] == "All database connections are busy");
}

}  // namespace
}  // namespace signet::api
