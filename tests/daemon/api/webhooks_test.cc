#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "message/envelope.h"
#include "store/callbacks.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;

constexpr char kStranger[] = "0190a000-0000-7000-8000-000000000001";

// The sealed bodies, opened by the key that their row names.
std::vector<std::string> bodies(ApiWorld& world) {
  auto session = world.postgres.session();
  PgTransaction tx(*session);
  auto rows = take_callbacks(tx, 100, 0);
  REQUIRE(rows.ok());
  std::vector<std::string> out;
  for (const auto& row : *rows) {
    const bool is_ours = row.sealed_by == "message";
    auto wrapped = is_ours ? read_data_key(tx, *row.message_id) : read_day_key(tx, row.sealed_by);
    REQUIRE((wrapped.ok() && wrapped->has_value()));
    auto key =
        world.keyring.unwrap(is_ours ? row.message_id->text() : row.sealed_by, (*wrapped)->first, (*wrapped)->second);
    REQUIRE(key.ok());
    auto body = unseal(key->octets(), seal_binding("callback", row.id, 0, "sealed"), row.sealed);
    REQUIRE(body.ok());
    out.push_back(*body);
  }
  return out;
}

TEST_CASE("a genuine callback is kept, sealed by its message's key, and told of") {
  ApiWorld world;
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  const std::string body = id + " 1 SM1 delivered e-1";
  const auto answer = world.callback("test", body);
  CHECK(answer.status == 204);
  CHECK(answer.raw.body.empty());
  CHECK(world.came == 1);
  const auto rows = world.sql("select message_id::text, attempt_no, kind, provider_reference, sealed_by from callback");
  REQUIRE(rows.size() == 1);
  CHECK(rows.text(0, 0) == id);
  CHECK(rows.number(0, 1) == 1);
  CHECK(rows.number(0, 2) == static_cast<int>(ReceiptKind::delivered));
  CHECK(rows.text(0, 4) == "message");
  CHECK(world.count("callback_due") == 1);
  CHECK(bodies(world) == std::vector<std::string>{body});
  CHECK(world.status_of(id) == "queued");  // applying it is another's work
}

TEST_CASE("a duplicate is a 2xx and changes nothing") {
  ApiWorld world;
  for (int i = 0; i < 3; ++i)
    CHECK(world.callback("test", std::string(kStranger) + " 1 SM1 delivered e-1").status == 204);
  CHECK(world.count("callback") == 1);
  CHECK(world.count("callback_due") == 1);
  CHECK(world.came == 1);
}

TEST_CASE("what names no message of ours is sealed by the day's key") {
  ApiWorld world;
  const std::string one = std::string(kStranger) + " 1 SM1 delivered e-1", two = "- 0 SM2 failed e-2";
  CHECK(world.callback("test", one).status == 204);
  CHECK(world.callback("test", two).status == 204);
  CHECK(world.count("day_key") == 1);
  CHECK(world.sql("select count(*) from callback where sealed_by = '2026-11-22'").number(0, 0) == 2);
  CHECK(bodies(world) == std::vector<std::string>{one, two});
}

TEST_CASE("several receipts in one call are each kept") {
  ApiWorld world;
  CHECK(world.callback("test", "- 0 a failed e-1\n- 0 b delivered e-2\n- 0 b delivered e-2").status == 204);
  CHECK(world.count("callback") == 2);
  CHECK(world.came == 1);
  CHECK(world.callback("test", "").status == 204);
  CHECK(world.came == 1);
}

TEST_CASE("a bad signature is refused, logged and recorded, and nothing else") {
  ApiWorld world;
  const auto answer = world.callback("test", std::string(kStranger) + " 1 MARKER delivered e-1", "bad");
  CHECK(answer.status == 403);
  CHECK(answer.body["code"] == "BAD_SIGNATURE");
  CHECK(world.count("callback") == 0);
  CHECK(world.came == 0);
  const auto event = world.last_event("callback_refused");
  CHECK(event["object"] == Json::parse(R"({"id":"test","n":null,"prev":null,"type":"provider"})"));
  CHECK(event["reasonCode"] == "bad_signature");
  CHECK(event["actor"]["ip"] == "192.0.2.9");
  CHECK(world.log.all().find("a callback was refused provider=test reason=bad signature") != std::string::npos);
  CHECK(world.log.all().find("MARKER") == std::string::npos);
}

TEST_CASE("a genuine callback that cannot be read is an error, and the provider may repeat it") {
  ApiWorld world;
  const auto answer = world.callback("test", "broken 1 SM1 delivered e-1");
  CHECK(answer.status == 400);
  CHECK(answer.body["code"] == "UNREADABLE_CALLBACK");
  CHECK(world.count("callback") == 0);
}

TEST_CASE("an unknown provider is 404") {
  ApiWorld world;
  CHECK(world.callback("other", "x").status == 404);
  CHECK(world.count("audit.entry") == 0);
}

}  // namespace
}  // namespace signet::api
