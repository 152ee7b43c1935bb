// Edits, versions, claims, diffs.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;
using Answer = ApiWorld::Answer;

Answer edit(ApiWorld& world, const Caller& editor, const std::string& id, const Json& changes) {
  return world.call("PATCH", "/api/messages/" + id, editor, changes.dump(), world.if_match(id));
}

TEST_CASE("an edit is a new version with its diff, and names who made it") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto id = world.draft(staff, {{"contentDraft", "Take 5 mg daily."}});
  const auto answer = edit(world, staff, id, {{"contentDraft", "Take 10 mg daily."}, {"priority", "high"}});
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  CHECK(answer.header("ETag") == "\"2\"");
  CHECK(answer.body["priority"] == "high");
  CHECK(answer.body["lastEditorId"] == staff.id.text());
  const auto shown = world.call("GET", "/api/messages/" + id, staff).body;
  CHECK(shown["contentDraft"] == "Take 10 mg daily.");
  CHECK(shown["contentGenerated"] == "Take 5 mg daily.");
  CHECK(shown["contentFinal"].is_null());
  REQUIRE(shown["editHistory"].size() == 1);
  CHECK(shown["editHistory"][0]["version"] == 2);
  CHECK(shown["editHistory"][0]["diff"]["modifications"][0]["original"]["text"] == "5 mg");
  CHECK(shown["editHistory"][0]["diff"]["modifications"][0]["clinical"] == true);
  CHECK(world.last_event("draft_edited")["detail"] ==
        Json{{"clinicalChanges", 1}, {"recalled", false}, {"version", 2}});
  const auto diff = world.call("GET", "/api/messages/" + id + "/diff", staff).body;
  CHECK(diff["modifications"].size() == 1);
  CHECK(diff["percentChanged"] == shown["editHistory"][0]["diff"]["percentChanged"]);
  world.check_chain(id);
}

TEST_CASE("an edit without If-Match is 428, a stale one 412, and neither changes anything") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  const auto path = "/api/messages/" + id;
  CHECK(world.call("PATCH", path, staff, R"({"contentDraft":"x"})").status == 428);
  CHECK(world.call("PATCH", path, staff, R"({"contentDraft":"x"})", {{"if-match", "\"9\""}}).status == 412);
  const std::string review = Json{{"messageId", id}, {"decision", "approved"}}.dump();
  CHECK(world.call("POST", "/api/message-workflow/review", reviewer, review).status == 428);
  CHECK(world.last_event("refused")["reasonCode"] == "PRECONDITION_REQUIRED");
  const auto stale = world.call("POST", "/api/message-workflow/review", reviewer, review, {{"if-match", "\"2\""}});
  CHECK(stale.status == 412);
  CHECK(stale.body["version"] == 1);
  CHECK(world.status_of(id) == "pending_review");
  CHECK(world.count("approval") == 0);
}

TEST_CASE("only its author edits a message, and a letter's physician; nobody does once it is sent") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor);
  const auto id = world.draft(staff);
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service})
    CHECK(edit(world, world.user(role), id, {{"contentDraft", "x"}}).status == 403);
  const auto letter = world.letter(staff, doctor);
  CHECK(edit(world, doctor, letter, {{"contentDraft", "x"}}).status == 200);
  world.sql("update message set status = 4");
  world.sql("update message set status = 5");
  CHECK(edit(world, staff, id, {{"contentDraft", "x"}}).status == 409);
}

TEST_CASE("an edit recalls what waits for review, and what is queued if no attempt runs") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto waiting = world.submitted(staff);
  CHECK(edit(world, staff, waiting, {{"contentDraft", "New."}}).body["status"] == "pending");
  CHECK(world.last_event("draft_edited")["detail"]["recalled"] == true);
  const auto queued = world.queued(staff, reviewer);
  CHECK(edit(world, staff, queued, {{"contentDraft", "New."}}).body["status"] == "pending");
  CHECK(world.count("due") == 0);
  CHECK(world.sql("select kind from attempt_start").number(0, 0) == 2);
  CHECK(world.call("GET", "/api/messages/" + queued, staff).body["contentFinal"].is_null());
  REQUIRE(world.submit(staff, queued).status == 200);
  REQUIRE(world.review(reviewer, queued).status == 200);
  CHECK(world.sql("select attempt_no from due").number(0, 0) == 2);
  world.sql("insert into attempt_start (message_id, attempt_no, kind, instance, permitted_at) values ('" + queued +
            "', 2, 1, 'i', now())");
  const auto late = edit(world, staff, queued, {{"contentDraft", "Newer."}});
  CHECK(late.status == 409);
  CHECK(late.body["code"] == "being_sent");
  CHECK(world.status_of(queued) == "queued");
  world.check_chain(queued);
}

TEST_CASE("what a review decides cannot be drafted") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto answer = world.call(
      "POST", "/api/messages", staff,
      R"({"kind":"sms","clinicalValues":[{"id":"a","name":"n","value":"1","type":"measurement","verified":true,
          "verifiedBy":"x"},{"id":"a","name":"n","value":"1","type":"weight"}],
          "hallucinationFlags":[{"id":"f","flaggedText":"t","severity":"minor","reason":"r","dismissed":true}],
          "generation":{"hallucinationRiskScore":101}})");
  CHECK(answer.status == 400);
  const auto errors = answer.body["details"]["errors"];
  const std::string all = errors.dump();
  for (const char* fault :
       {"clinicalValues[0].verified is decided in a review", "clinicalValues[0].verifiedBy is decided in a review",
        "clinicalValues[1].type is not one of its words", "clinicalValues[1].id is there twice",
        "hallucinationFlags[0].dismissed is decided in a review",
        "generation.hallucinationRiskScore is out of range"}) {
    INFO(fault << "\n" << all);
    CHECK(all.find(fault) != std::string::npos);
  }
}

TEST_CASE("a service drafts in an author's name; nobody else does") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), service = world.user(Role::service);
  const std::string body = Json{
      {"kind", "sms"},
      {"recipientPhone", "+61412345678"},
      {"contentDraft", "Hello."},
      {"authorId",
       staff.id.text()}}.dump();
  const auto made = world.call("POST", "/api/messages", service, body);
  REQUIRE(made.status == 201);
  CHECK(made.body["authorId"] == staff.id.text());
  CHECK(world.last_event("draft_generated")["actor"]["role"] == "service");
  CHECK(world.submit(staff, made.body["id"]).status == 200);
  CHECK(world.call("POST", "/api/messages", world.user(Role::admin), body).status == 400);
}

TEST_CASE("a claim keeps others from deciding until it is released or lapses") {
  ApiWorld world;
  const auto a = world.user(Role::reviewer), b = world.user(Role::doctor);
  const auto id = world.submitted(world.user(Role::staff));
  const auto path = "/api/messages/" + id;
  const auto claimed = world.call("POST", path + "/claim", a);
  CHECK(claimed.status == 200);
  CHECK(claimed.body["claimedBy"] == a.id.text());
  const auto refused = world.review(b, id);
  CHECK(refused.status == 409);
  CHECK(refused.body["code"] == "CLAIMED");
  CHECK(refused.body["claimedBy"] == a.id.text());
  CHECK(world.call("POST", path + "/claim", b).status == 409);
  CHECK(world.call("POST", path + "/release", b).status == 409);
  CHECK(world.call("POST", path + "/release", a).status == 200);
  CHECK(world.call("POST", path + "/claim", b, R"({"minutes":1})").status == 200);
  world.clock.advance_ms(60'000);
  CHECK(world.call("POST", path + "/claim", a).status == 200);
  CHECK(world.review(a, id).status == 200);
  CHECK(world.call("POST", path + "/claim", a).status == 409);
  CHECK(world.sql("select claimed_by is null from message").flag(0, 0));
  CHECK(world.call("POST", path + "/claim", world.user(Role::admin)).status == 403);
}

TEST_CASE("what waits for review is filtered by risk, author and age") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), other = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto old = world.submitted(staff, {{"riskLevel", "high"}});
  world.clock.advance_ms(10 * 60'000);
  const auto fresh = world.submitted(other);
  auto ids = [&](const std::string& query) {
    std::vector<std::string> out;
    const auto answer = world.call("GET", "/api/message-workflow/pending-review" + query, reviewer);
    for (const auto& item : answer.body["items"]) out.push_back(item["id"]);
    return out;
  };
  using Ids = std::vector<std::string>;
  CHECK(ids("") == Ids{old, fresh});
  CHECK(ids("?risk=high") == Ids{old});
  CHECK(ids("?author=" + other.id.text()) == Ids{fresh});
  CHECK(ids("?age=10") == Ids{old});
  CHECK(ids("?age=11").empty());
}

TEST_CASE("messages are searched by person in a body, and the log names the filters only") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto id = world.draft(staff, {{"patientId", "P-1"}, {"clientReference", "visit/9"}});
  world.draft(staff, {{"recipientPhone", "+61491570156"}});
  auto found = [&](const Json& body) {
    const auto answer = world.call("POST", "/api/messages/search", staff, body.dump());
    INFO(answer.raw.body);
    REQUIRE(answer.status == 200);
    return answer.body["items"];
  };
  CHECK(found(Json::object()).size() == 2);
  for (const Json& body : {Json{{"patientId", "P-1"}}, Json{{"recipientPhone", "+61 412 345 678"}},
                           Json{{"clientReference", "visit/9"}}}) {
    const auto items = found(body);
    REQUIRE(items.size() == 1);
    CHECK(items[0]["id"] == id);
  }
  CHECK(found({{"patientId", "P-2"}}).empty());
  CHECK(world.last_event("messages_searched")["detail"] == Json{{"filters", "patientId"}, {"rows", 0}});
  CHECK(world.call("POST", "/api/messages/search", staff, R"({"recipientPhone":"0412"})").status == 400);
}

}  // namespace
}  // namespace signet::api
