#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/daemon/api/api_world.h"
#include "tests/daemon/api/handed_over.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<nlohmann::json>;

constexpr char kFault[] = "0190a000-0000-7000-8000-00000000fa01";

void put_fault(World& world) {
  world.sql(std::string("insert into audit.fault (id, level, what, seq, relation, row_key, at) values ('") + kFault +
            "', 3, 'tile', 256, 'audit.tile', '0/1', now())");
}

}  // namespace

TEST_CASE("a fault is shown, acknowledged by a person, and stays on record") {
  World world;
  const auto admin = world.user(Role::admin), auditor = world.user(Role::auditor);
  CHECK(world.call("GET", "/api/integrity", auditor).body["openFaults"] == 0);
  put_fault(world);
  auto shown = world.call("GET", "/api/integrity", auditor).body;
  CHECK(shown["openFaults"] == 1);
  CHECK(shown["guarded"] == true);
  REQUIRE(shown["faults"].size() == 1);
  CHECK(shown["faults"][0]["what"] == "tile");
  CHECK(shown["faults"][0]["table"] == "audit.tile");
  CHECK(shown["faults"][0]["rowKey"] == "0/1");
  CHECK(shown["faults"][0]["acknowledgement"].is_null());
  const auto done = world.call("POST", std::string("/api/integrity/faults/") + kFault + "/acknowledge", admin,
                               R"({"reason":"hardware"})");
  REQUIRE(done.status == 200);
  CHECK(done.body["acknowledgement"]["by"] == admin.id.text());
  shown = world.call("GET", "/api/integrity", auditor).body;
  CHECK(shown["openFaults"] == 0);
  CHECK(shown["faults"][0]["acknowledgement"]["reason"] == "hardware");
  CHECK(world.last_event("integrity_fault_acknowledged")["detail"]["reason"] == "hardware");
}

TEST_CASE("where the configuration says so nothing is approved while a fault is not acknowledged") {
  World world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer), doctor = world.user(Role::doctor);
  const auto service = world.user(Role::service), admin = world.user(Role::admin);
  const auto id = world.submitted(staff);
  const auto direct = world.draft(doctor, {{"recipientPhone", "+61412345679"}});
  const auto letter = world.letter(staff, doctor);
  auto key = enrolled(world.postgres, world.ids, world.clock, reviewer.id);
  const std::string handed = handed_over(world.ids, world.clock, {{reviewer.id, Role::reviewer, key}});
  put_fault(world);
  world.services.approval.faults_stop = true;
  const auto refused = [&](const BasicAnswer<Json>& answer) {
    INFO(answer.raw.body);
    CHECK(answer.status == 409);
    CHECK(answer.body["code"] == "EVIDENCE_FAULTY");
  };
  refused(world.review(reviewer, id));
  refused(world.send_directly(doctor, direct));
  refused(world.approve(doctor, letter));
  refused(world.call("POST", "/api/messages", service, handed));
  CHECK(world.count("approval") == 0);
  CHECK(world.count("due") == 0);
  // To reject is still possible.
  const auto other = world.submitted(staff, {{"recipientPhone", "+61412345670"}});
  CHECK(world.review(reviewer, other, {{"decision", "rejected"}, {"reviewNotes", "no"}}).status == 200);
  REQUIRE(world
              .call("POST", std::string("/api/integrity/faults/") + kFault + "/acknowledge", admin,
                    R"({"reason":"investigated"})")
              .status == 200);
  CHECK(world.review(reviewer, id).status == 200);
  CHECK(world.send_directly(doctor, direct).status == 200);
  CHECK(world.approve(doctor, letter).status == 200);
  CHECK(world.call("POST", "/api/messages", service, handed).status == 201);
}

TEST_CASE("faults stop nobody where the configuration does not say so") {
  World world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  put_fault(world);
  CHECK(world.review(reviewer, world.submitted(staff)).status == 200);
}

}  // namespace signet::api
