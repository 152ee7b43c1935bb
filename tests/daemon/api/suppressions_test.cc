#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

struct World : BasicApiWorld<Json> {
  Caller admin = user(Role::admin);
  Json add(const Json& whom, const std::string& reason = "asked") {
    Json body = whom;
    body["reason"] = reason;
    const auto answer = call("POST", "/api/suppressions", admin, body.dump());
    INFO(answer.raw.body);
    REQUIRE(answer.status == 201);
    return answer.body;
  }
  Json list(const std::string& query = "") {
    const auto answer = call("GET", "/api/suppressions" + query, admin);
    REQUIRE(answer.status == 200);
    return answer.body;
  }
  Json found(const Json& whom) { return call("POST", "/api/suppressions/search", admin, whom.dump()).body["items"]; }
};

const Json kPhone{{"recipientPhone", "+61 412 345 678"}}, kMail{{"recipientEmail", "Anna@Example.ORG"}};

TEST_CASE("who is added by a person is on the list by channel, reason and person, and is not named there") {
  World world;
  const Json added = world.add(kPhone, "wrong_person");
  CHECK(added["channel"] == "sms");
  CHECK(added["reason"] == "wrong_person");
  CHECK(added["source"] == "person");
  CHECK(added["addedBy"] == world.admin.id.text());
  const Json listed = world.list();
  CHECK(listed["items"] == Json::array({added}));
  CHECK(listed["nextCursor"] == nullptr);
  const auto event = world.last_event("suppression_added");
  CHECK(event["object"]["id"] == added["id"]);
  CHECK(event["actor"]["id"] == world.admin.id.text());
  CHECK(event["detail"] == Json{{"channel", "sms"}, {"source", "person"}});
  CHECK(listed.dump().find("412") == std::string::npos);
}

TEST_CASE("a recipient is found by number or address in a body, in whatever form it is written") {
  World world;
  const Json phone = world.add(kPhone), mail = world.add(kMail);
  CHECK(mail["channel"] == "email");
  CHECK(world.found({{"recipientPhone", "+61412345678"}}) == Json::array({phone}));
  CHECK(world.found({{"recipientEmail", "Anna@example.org"}}) == Json::array({mail}));
  CHECK(world.found({{"recipientEmail", "bert@example.org"}}) == Json::array());
}

TEST_CASE("an approval is refused while its recipient is suppressed, and goes once that is removed") {
  World world;
  const Caller staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  const std::string suppression = world.add(kPhone)["id"];
  CHECK(world.review(reviewer, id).status == 400);
  CHECK(world.call("DELETE", "/api/suppressions/" + suppression + "?reason=mistake", world.admin).status == 204);
  CHECK(world.last_event("suppression_removed")["reasonCode"] == "mistake");
  CHECK(world.review(reviewer, id).status == 200);
}

TEST_CASE("the list is filtered and comes in pages, newest first") {
  World world;
  const Json first = world.add(kPhone), second = world.add(kMail, "bounced");
  CHECK(world.list("?channel=email")["items"] == Json::array({second}));
  CHECK(world.list("?reason=asked")["items"] == Json::array({first}));
  CHECK(world.list("?source=twilio")["items"] == Json::array());
  const Json page = world.list("?limit=1");
  CHECK(page["items"] == Json::array({second}));
  CHECK(page["nextCursor"] == second["id"]);
  const Json next = world.list("?limit=1&cursor=" + second["id"].get<std::string>());
  CHECK(next["items"] == Json::array({first}));
  CHECK(next["nextCursor"] == nullptr);
}

TEST_CASE("a gateway's word on a message is kept like a callback of its own, once") {
  World world;
  const Caller gateway = world.with_token(world.user(Role::service), {"delivery:write"});
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  world.doubt(id);
  const std::string body = Json{
      {"messageId", id},
      {"status", "failed"},
      {"providerMessageId", "g-1"},
      {"occurredAt", "2026-11-22T00:00:00Z"},
      {"failureReason",
       "unknown_recipient"}}.dump();
  for (int i = 0; i < 2; i++) {
    const auto answer = world.call("POST", "/api/message-workflow/delivery-status", gateway, body,
                                   {{"webhook-signature", "v1,good"}, {"webhook-id", "w-1"}});
    INFO(answer.raw.body);
    CHECK(answer.status == 202);
    CHECK(answer.body == Json{{"messageId", id}, {"status", "failed"}});
  }
  const auto rows =
      world.sql("select provider, event_id, message_id::text, attempt_no, kind, provider_code from callback");
  REQUIRE(rows.size() == 1);
  CHECK(rows.text(0, 0) == "test");
  CHECK(rows.text(0, 1) == "w-1");
  CHECK(rows.text(0, 2) == id);
  CHECK(rows.number(0, 3) == 1);
  CHECK(rows.number(0, 4) == static_cast<int>(ReceiptKind::failed));
  CHECK(rows.text(0, 5) == "unknown_recipient");
  CHECK(world.count("callback_due") == 1);
  CHECK(world.came == 1);
  CHECK(world.last_event("delivery_reported")["detail"] == Json{{"attempt", 1}, {"status", "failed"}});
}

TEST_CASE("messages of any other provider are confirmed by its callbacks alone") {
  struct Vendor : TestProvider {
    Verdict verify_status(const CallbackRequest& request) const override { return Provider::verify_status(request); }
  };
  World world;
  world.services.providers["test"] = std::make_shared<Vendor>();
  const Caller gateway = world.with_token(world.user(Role::service), {"delivery:write"});
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  world.doubt(id);
  const Json report{
      {"messageId", id}, {"status", "delivered"}, {"providerMessageId", "g-1"}, {"occurredAt", "2026-11-22T00:00:00Z"}};
  const auto answer = world.call("POST", "/api/message-workflow/delivery-status", gateway, report.dump(),
                                 {{"webhook-signature", "v1,good"}, {"webhook-id", "w-1"}});
  CHECK(answer.status == 403);
  CHECK(answer.body["code"] == "BAD_SIGNATURE");
  CHECK(world.count("callback") == 0);
}

}  // namespace
}  // namespace signet::api
