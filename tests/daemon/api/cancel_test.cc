#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "store/messages.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using ApiWorld = BasicApiWorld<nlohmann::json>;
using Answer = ApiWorld::Answer;

Answer cancel(ApiWorld& world, const Caller& caller, const std::string& id) {
  return world.call("POST", "/api/messages/" + id + "/cancel", caller);
}

void permit(ApiWorld& world, const std::string& id) {
  world.sql("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, permitted_at) values ('" + id +
            "', 1, 1, gen_random_uuid(), 'signetd-1', now())");
}

TEST_CASE("before the queue a cancel changes the status only") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto draft = world.draft(staff), waiting = world.submitted(staff), rejected = world.submitted(staff);
  REQUIRE(world.review(reviewer, rejected, {{"decision", "rejected"}, {"reviewNotes", "x"}}).status == 200);
  for (const auto& id : {draft, waiting, rejected}) {
    const auto answer = cancel(world, staff, id);
    CHECK(answer.status == 200);
    CHECK(answer.body["status"] == "cancelled");
    CHECK(world.status_of(id) == "cancelled");
    CHECK(world.actions(id).back() == "cancelled");
    world.check_chain(id);
  }
  CHECK(world.count("attempt_start") == 0);
}

TEST_CASE("a queued message is cancelled by a void of its attempt") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto id = world.queued(staff, world.user(Role::reviewer));
  CHECK(cancel(world, staff, id).status == 200);
  CHECK(world.count("due") == 0);
  const auto taken = world.sql("select attempt_no, kind, epoch is null from attempt_start");
  REQUIRE(taken.size() == 1);
  CHECK(taken.number(0, 0) == 1);
  CHECK(taken.number(0, 1) == 2);
  CHECK(taken.flag(0, 2));
  world.check_chain(id);
  const auto again = cancel(world, staff, id);
  CHECK(again.status == 200);
  CHECK(world.actions(id).size() == 5);
}

TEST_CASE("what has its permit is being sent: the wish is noted and the head moves") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto id = world.queued(staff, world.user(Role::reviewer));
  permit(world, id);
  for (int i = 0; i < 2; ++i) {
    const auto answer = cancel(world, staff, id);
    CHECK(answer.status == 409);
    CHECK(answer.body["code"] == "being_sent");
  }
  CHECK(world.status_of(id) == "queued");
  CHECK(world.count("due") == 1);
  CHECK(world.sql("select cancel_requested from message").flag(0, 0));
  CHECK(world.actions(id) == std::vector<std::string>{"draft_generated", "submitted_for_review", "reviewed", "queued",
                                                      "cancel_requested", "refused"});
  world.check_chain(id);
}

TEST_CASE("who may cancel is said by the role table") {
  ApiWorld world;
  const auto author = world.user(Role::staff);
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service}) {
    const auto id = world.draft(author);
    const bool is_allowed = role == Role::reviewer || role == Role::doctor || role == Role::admin;
    INFO(name(role));
    CHECK(cancel(world, world.user(role), id).status == (is_allowed ? 200 : 403));
    CHECK(world.status_of(id) == (is_allowed ? "cancelled" : "pending"));
  }
  CHECK(world.last_event("refused")["reasonCode"] == "NOT_OWN");
  const auto service = world.user(Role::service);
  CHECK(cancel(world, service, world.draft(service)).status == 200);
}

TEST_CASE("what has left cannot be cancelled") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto id = world.queued(staff, world.user(Role::reviewer));
  world.sql("update message set status = 10");
  const auto doubtful = cancel(world, staff, id);
  CHECK(doubtful.status == 409);
  CHECK(doubtful.body["code"] == "STATUS_CONFLICT");
  world.sql("update message set status = 5");
  CHECK(cancel(world, staff, id).status == 409);
  CHECK(world.last_event("refused")["reasonCode"] == "NOT_CANCELLABLE");
  world.check_chain(id);
}

TEST_CASE("I10 a cancel and a permit at the same moment: exactly one of them has the attempt") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  for (int round = 0; round < 10; ++round) {
    const auto id = world.queued(staff, reviewer);
    bool is_permitted = false;
    std::thread sender([&] {
      auto session = world.postgres.session();
      auto rows = session->run(
          "insert into attempt_start (message_id, attempt_no, kind, instance, permitted_at) values "
          "($1, 1, 1, 'signetd-1', now()) on conflict do nothing",
          {*parse_uuid(id)});
      is_permitted = rows.ok() && rows->affected() == 1;
    });
    const auto answer = cancel(world, staff, id);
    sender.join();
    CHECK(answer.status == (is_permitted ? 409 : 200));
    CHECK(world.status_of(id) == (is_permitted ? "queued" : "cancelled"));
  }
}

TEST_CASE("a cancel of nothing is 404, and takes no members") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  CHECK(cancel(world, staff, "0190a000-0000-7000-8000-000000000001").status == 404);
  CHECK(cancel(world, staff, "x").status == 404);
  const auto id = world.draft(staff);
  CHECK(world.call("POST", "/api/messages/" + id + "/cancel", staff, R"({"why":"x"})").status == 400);
  CHECK(world.call("POST", "/api/messages/" + id + "/cancel", staff, "{}").status == 200);
}

}  // namespace
}  // namespace signet::api
