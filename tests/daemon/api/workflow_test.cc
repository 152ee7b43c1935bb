#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/api/content.h"
#include "message/policy.h"
#include "store/messages.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;
using Answer = ApiWorld::Answer;

using Actions = std::vector<std::string>;

Content opened(ApiWorld& world, const std::string& id) {
  auto session = world.postgres.session();
  PgTransaction tx(*session);
  const Uuid uuid = *parse_uuid(id);
  auto sealed = read_content(tx, uuid);
  REQUIRE((sealed.ok() && sealed->has_value()));
  auto content = open_content(world.keyring, uuid, **sealed);
  REQUIRE(content.ok());
  return std::move(*content);
}

std::string error_of(const Answer& answer) {
  return answer.body["details"]["errors"].empty() ? "" : answer.body["details"]["errors"][0].get<std::string>();
}

TEST_CASE("a message goes from draft to queue, and each step is chained") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.draft(staff);
  REQUIRE(world.submit(staff, id).status == 200);
  CHECK(world.status_of(id) == "pending_review");
  bool is_committed = false;
  world.services.offer = [&](std::vector<Hint> hints) {
    world.offered = hints;
    is_committed = world.count("due") == 1 && world.count("approval") == 1;
  };
  const auto answer = world.review(reviewer, id, {{"reviewDurationMs", 1500}});
  INFO(answer.raw.body);
  CHECK(answer.status == 200);
  CHECK(answer.body["status"] == "queued");
  CHECK(answer.body["selfEdited"] == false);
  CHECK(is_committed);
  REQUIRE(world.offered.size() == 1);
  CHECK(world.offered[0].id.text() == id);
  CHECK(world.offered[0].lane == "sms");
  CHECK(world.offered[0].sender == staff.id.text().substr(24));

  CHECK(world.status_of(id) == "queued");
  CHECK(world.actions(id) == Actions{"draft_generated", "submitted_for_review", "reviewed", "queued"});
  world.check_chain(id);
  const auto events = world.events(id);
  CHECK(events[2]["status"] == "approved");
  Json detail = events[2]["detail"];
  CHECK(detail["keyId"].get<std::string>().size() == 16);
  detail.erase("keyId");
  CHECK(detail["validationSha256"].get<std::string>().size() == 64);
  detail.erase("validationSha256");
  CHECK(detail == Json::parse(R"({"algorithm":"ed25519","clinicalChanges":0,"custody":"server","decision":"approved",
      "direct":false,"flagsDismissed":0,"meaning":"approved","policyId":"signet-1","required":1,"reviewDurationMs":1500,
      "riskReasons":"","selfEdited":false,"signatures":1,"valuesVerified":0,"version":1,"warnings":""})"));
  CHECK(events[3]["detail"] == Json::parse(R"({"attemptNo":1,"lane":"sms"})"));
  const auto due = world.sql("select attempt_no, lane, sender, due_at, send_until, shard, priority from due");
  REQUIRE(due.size() == 1);
  CHECK(due.number(0, 0) == 1);
  CHECK(due.time(0, 3) == world.clock.wall());
  CHECK(due.is_null(0, 4));
  CHECK(due.number(0, 5) == shard_of(*parse_uuid(id)));
}

TEST_CASE("an approval's MAC covers the sealed envelope") {
  ApiWorld world;
  const auto id = world.queued(world.user(Role::staff), world.user(Role::doctor));
  const auto content = opened(world, id);
  const auto approval =
      world.sql("select version, decision, signer_role, policy_id, envelope_commit, approval_mac from approval");
  REQUIRE(approval.size() == 1);
  CHECK(approval.number(0, 0) == 1);
  CHECK(approval.number(0, 1) == 1);
  CHECK(approval.number(0, 2) == static_cast<int>(Role::doctor));
  CHECK(approval.octets(0, 4) == view(content.commit()));
  CHECK(approval.octets(0, 5) ==
        view(approval_mac(world.keyring.mac_key(), *parse_uuid(id), 1, content.commit(), kPolicyId)));
  CHECK(content.envelope.recipient == "+61412345678");
  CHECK(content.envelope.body == "Your result is fine.");
}

TEST_CASE("the author or last editor never reviews, and the refusal is all that is recorded") {
  ApiWorld world;
  const auto author = world.user(Role::doctor), other = world.user(Role::reviewer);
  const auto id = world.submitted(author);
  const auto before = world.count("audit.entry");
  for (const char* decision : {"approved", "rejected"}) {
    const auto answer = world.review(author, id, {{"decision", decision}, {"reviewNotes", "x"}});
    CHECK(answer.status == 403);
    CHECK(answer.body["code"] == "FORBIDDEN");
    CHECK(answer.body["reasons"] == Json{"SELF_REVIEW"});
    CHECK_FALSE(answer.body["detail"].get<std::string>().empty());
  }
  CHECK(world.count("audit.entry") == before + 2);
  CHECK(world.status_of(id) == "pending_review");
  CHECK(world.count("approval") == 0);
  const auto event = world.last_event("refused");
  CHECK(event["reasonCode"] == "SELF_REVIEW");
  CHECK(event["detail"]["attempted"] == "review");
  CHECK(event["object"]["id"] == id);
  CHECK(event["object"]["n"].is_null());
  world.sql("update message set last_editor_id = '" + other.id.text() + "'");
  CHECK(world.review(other, id).status == 403);
  world.check_chain(id);
}

TEST_CASE("who may review and send directly is said by the role table") {
  ApiWorld world;
  const auto author = world.user(Role::staff);
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service}) {
    const auto caller = world.user(role);
    const auto id = world.submitted(author);
    INFO(name(role));
    CHECK(world.review(caller, id).status == (grant(role, Action::review) == Grant::yes ? 200 : 403));
    if (grant(role, Action::draft) != Grant::yes) continue;
    const auto own = world.draft(caller);
    CHECK(world.send_directly(caller, own).status == (grant(role, Action::send_directly) == Grant::yes ? 200 : 403));
  }
}

TEST_CASE("sent directly is what one wrote, or what waits for one's review") {
  ApiWorld world;
  const auto author = world.user(Role::staff), doctor = world.user(Role::doctor), admin = world.user(Role::admin);
  const auto draft = world.draft(author);
  CHECK(world.send_directly(doctor, draft).status == 403);
  REQUIRE(world.submit(author, draft).status == 200);
  CHECK(world.send_directly(admin, draft).status == 403);
  const auto answer = world.send_directly(doctor, draft);
  CHECK(answer.status == 200);
  CHECK(world.last_event("reviewed")["detail"]["direct"] == true);
  CHECK(world.sql("select is_direct from approval").flag(0, 0));
  world.check_chain(draft);
}

TEST_CASE("a rejection needs notes, and may be submitted again") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  const auto bare = world.review(reviewer, id, {{"decision", "rejected"}});
  CHECK(bare.status == 400);
  CHECK(error_of(bare) == "reviewNotes is missing: tell the author why it is rejected");
  const auto answer = world.review(reviewer, id, {{"decision", "rejected"}, {"reviewNotes", "Say which result."}});
  CHECK(answer.status == 200);
  CHECK(answer.body["status"] == "rejected");
  CHECK(world.count("due") == 0);
  CHECK(world.offered.empty());
  CHECK(world.sql("select approval_mac is null and decision = 2 from approval").flag(0, 0));
  CHECK(world.call("GET", "/api/messages/" + id, staff).body["reviewNotes"] == "Say which result.");
  CHECK(world.submit(staff, id).status == 200);
  CHECK(world.review(reviewer, id).status == 200);
  CHECK(world.sql("select count(*) from approval").number(0, 0) == 2);
  world.check_chain(id);
}

TEST_CASE("other words in a review are the reviewer's edit: a new version with a new salt") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff, {{"patientId", "P-1"}});
  const auto before = opened(world, id);
  const auto answer = world.review(reviewer, id, {{"finalContent", "Your result is good."}});
  INFO(answer.raw.body);
  CHECK(answer.status == 200);
  CHECK(answer.body["version"] == 2);
  CHECK(answer.body["selfEdited"] == true);
  const auto after = opened(world, id);
  CHECK(after.version == 2);
  CHECK(after.envelope.body == "Your result is good.");
  CHECK(after.details.content_draft == "Your result is fine.");
  CHECK(after.details.patient_id == "P-1");
  CHECK(after.salt != before.salt);
  CHECK(world.last_event("reviewed")["detail"]["selfEdited"] == true);
  CHECK(world.sql("select version from approval").number(0, 0) == 2);
  CHECK(world.sql("select version from message").number(0, 0) == 2);
  CHECK(world.sql("select approval_mac from approval").octets(0, 0) ==
        view(approval_mac(world.keyring.mac_key(), *parse_uuid(id), 2, after.commit(), kPolicyId)));
  const auto shown = world.call("GET", "/api/messages/" + id, reviewer).body;
  CHECK(shown["contentDraft"] == "Your result is fine.");
  CHECK(shown["contentFinal"] == "Your result is good.");
  CHECK(shown["lastEditorId"] == reviewer.id.text());
}

TEST_CASE("the same words are no edit; high risk takes none, and two signatures") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor);
  const auto same = world.submitted(staff);
  CHECK(world.review(doctor, same, {{"finalContent", "Your result is fine."}}).body["version"] == 1);
  const auto id = world.submitted(staff, {{"riskLevel", "high"}});
  const auto edited = world.review(doctor, id, {{"finalContent", "x"}});
  CHECK(edited.status == 409);
  CHECK(edited.body["code"] == "HIGH_RISK");
  CHECK(world.send_directly(doctor, id).status == 400);
  const auto first = world.review(doctor, id);
  CHECK(first.status == 202);
  CHECK(first.body["signatures"] == 1);
  CHECK(first.body["required"] == 2);
  CHECK(world.status_of(id) == "pending_review");
  const auto again = world.review(doctor, id);
  CHECK(again.status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "ALREADY_SIGNED");
  CHECK(world.review(world.user(Role::reviewer), id).body["status"] == "queued");
  world.check_chain(id);
  world.services.approval.high_risk.quorum = 1;
  const auto alone = world.submitted(staff, {{"riskLevel", "high"}});
  CHECK(world.review(doctor, alone).status == 200);
  CHECK(world.last_event("reviewed")["detail"]["quorumLowered"] == true);
}

TEST_CASE("what stands in the way is told at submission already, all at once") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto bare = world.draft(staff, {{"recipientPhone", nullptr}, {"contentDraft", " \n"}});
  const auto answer = world.submit(staff, bare);
  CHECK(answer.status == 400);
  CHECK(answer.body["code"] == 2001);
  CHECK(answer.body["reasons"] == Json{"CONTENT_EMPTY", "RECIPIENT_MISSING"});
  CHECK(answer.body["details"]["errors"].size() == 2);
  CHECK(world.last_event("refused")["reasonCode"] == "CONTENT_EMPTY");
  const auto nowhere =
      world.draft(staff, {{"kind", "email"}, {"recipientPhone", nullptr}, {"recipientEmail", "a@elsewhere.example"}});
  CHECK(world.submit(staff, nowhere).body["reasons"] == Json{"NO_ROUTE"});
  const auto short_lived = world.draft(staff, {{"expiresAt", rfc3339({world.clock.wall().us + 1'000'000})}});
  world.clock.advance_ms(2000);
  CHECK(world.submit(staff, short_lived).body["reasons"] == Json{"EXPIRED"});
}

TEST_CASE("a recipient who opted out meanwhile stops the approval") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  world.sql("insert into suppressions select gen_random_uuid(), recipient_key, 'stop', 'test' from message");
  const auto answer = world.review(reviewer, id);
  CHECK(answer.status == 400);
  CHECK(answer.body["reasons"] == Json{"RECIPIENT_SUPPRESSED"});
  CHECK(world.review(reviewer, id, {{"decision", "rejected"}, {"reviewNotes", "opted out"}}).status == 200);
}

TEST_CASE("what is only filed is approved and stays so") {
  ApiWorld world;
  const auto id = world.submitted(world.user(Role::staff), {{"deliveryMethod", "none"}, {"recipientPhone", nullptr}});
  const auto answer = world.review(world.user(Role::reviewer), id);
  CHECK(answer.body["status"] == "approved");
  CHECK(world.count("due") == 0);
  CHECK(world.offered.empty());
  CHECK(world.actions(id).back() == "reviewed");
  world.check_chain(id);
}

TEST_CASE("a scheduled message is due when it says, until it expires") {
  ApiWorld world;
  const auto at = world.clock.wall().us + 3600'000'000;
  const auto id = world.queued(
      world.user(Role::staff), world.user(Role::reviewer),
      {{"scheduledFor", rfc3339({at})}, {"expiresAt", rfc3339({at + 1'000'000})}, {"priority", "critical"}});
  const auto due = world.sql("select due_at, send_until, priority from due");
  CHECK(due.time(0, 0).us == at);
  CHECK(due.time(0, 1).us == at + 1'000'000);
  CHECK(due.number(0, 2) == 1);
  CHECK(world.offered.empty());  // Redis hears of it when its time comes near
}

TEST_CASE("a message waits for its recipient's morning, unless its draft says why it may not; the log keeps why") {
  ApiWorld world;  // at 00:28 UTC
  const auto quiet = QuietHours::make({21 * 60, 8 * 60, {"UTC"}, {false, false, true, true}});
  const DuePlan plan(world.routes, **quiet);
  world.services.due_plan = &plan;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto held = world.queued(staff, reviewer);
  auto due = world.sql("select due_at, send_until from due");
  CHECK(due.time(0, 0) == *parse_rfc3339("2026-11-22T08:00:00Z"));
  CHECK(due.time(0, 1) == *parse_rfc3339("2026-11-22T21:00:00Z"));
  CHECK(world.offered.empty());
  CHECK(world.call("GET", "/api/messages/" + held, reviewer).body["urgent"] == false);

  const auto urgent = world.queued(staff, reviewer, {{"urgentReason", "clinical"}});
  due = world.sql("select due_at, send_until from due where message_id = '" + urgent + "'");
  CHECK(due.time(0, 0) == world.clock.wall());
  CHECK(due.is_null(0, 1));
  REQUIRE(world.offered.size() == 1);
  CHECK(world.call("GET", "/api/messages/" + urgent, reviewer).body["urgent"] == true);
  CHECK(world.events(urgent)[0]["detail"]["urgent"] == "clinical");
  CHECK_FALSE(world.events(held)[0]["detail"].contains("urgent"));

  // It knows where its recipient is: in Sydney it is day.
  world.queued(staff, reviewer, {{"timeZone", "Australia/Sydney"}});
  CHECK(world.offered.size() == 2);
}

TEST_CASE("an edit may call a message urgent, and take it back") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto id = world.draft(staff);
  auto edit = [&](const std::string& body) {
    return world.call("PATCH", "/api/messages/" + id, staff, body, world.if_match(id));
  };
  CHECK(edit(R"({"urgentReason":"appointment"})").body["urgent"] == true);
  CHECK(edit(R"({"contentDraft":"other"})").body["urgent"] == true);
  CHECK(edit(R"({"urgentReason":"none"})").body["urgent"] == false);
  CHECK(world.events(id)[1]["detail"]["urgent"] == "appointment");
  CHECK_FALSE(world.events(id)[2]["detail"].contains("urgent"));
  CHECK(world.events(id)[3]["detail"]["urgent"] == "none");
  const auto refused = edit(R"({"urgentReason":"because"})");
  CHECK(refused.status == 400);
  CHECK(refused.raw.body.find("urgentReason") != std::string::npos);
}

TEST_CASE("of two reviews at once one wins and the other hears why") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), a = world.user(Role::reviewer), b = world.user(Role::doctor);
  for (int round = 0; round < 5; ++round) {
    const auto id = world.submitted(staff);
    Answer first, second;
    std::thread other([&] { first = world.review(a, id); });
    second = world.review(b, id);
    other.join();
    CHECK(first.status + second.status == 600);
    const auto& loser = first.status == 400 ? first : second;
    CHECK(loser.body["reasons"] == Json{"NOT_REVIEWABLE"});
    CHECK(error_of(loser) == "The message is queued; submit it for review first.");
    world.check_chain(id);
  }
  CHECK(world.count("due") == 5);
  CHECK(world.offered.size() == 5);
}

TEST_CASE("members of other kinds of messages are taken when empty, refused when not") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  const auto named = world.review(reviewer, id, {{"verifiedValueIds", {"val-1"}}});
  CHECK(named.status == 400);
  CHECK(error_of(named).starts_with("verifiedValueIds names a clinical value"));
  const Json empty{
      {"verifiedValueIds", Json::array()}, {"dismissedFlagIds", Json::array()}, {"dismissedReasons", Json::object()}};
  CHECK(world.review(reviewer, id, empty).status == 200);
}

TEST_CASE("what is asked about wrongly is answered with what to do") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  CHECK(world.review(reviewer, "0190a000-0000-7000-8000-000000000001").status == 404);
  CHECK(world.submit(staff, "nonsense").status == 400);
  CHECK(world.review(reviewer, world.submitted(staff), {{"decision", "yes"}}).status == 400);
  const auto id = world.submitted(staff);
  CHECK(world.submit(staff, id).status == 409);
  CHECK(world.submit(world.user(Role::staff), id).status == 403);
  CHECK(world.submit(reviewer, id).status == 403);
}

TEST_CASE("what waits for review is listed oldest first, page by page") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(world.submitted(staff));
  world.draft(staff);
  const auto path = std::string("/api/message-workflow/pending-review");
  const auto first = world.call("GET", path + "?limit=2", reviewer);
  REQUIRE(first.body["items"].size() == 2);
  CHECK(first.body["items"][0]["id"] == ids[0]);
  CHECK_FALSE(first.body["items"][0].contains("contentDraft"));
  const auto second =
      world.call("GET", path + "?limit=3&cursor=" + first.body["nextCursor"].get<std::string>(), reviewer);
  REQUIRE(second.body["items"].size() == 3);
  CHECK(second.body["items"][2]["id"] == ids[4]);
  CHECK(second.body["nextCursor"].is_null());
  CHECK(world.call("GET", path, world.user(Role::staff)).body["items"].empty());
  CHECK(world.call("GET", path + "?kind=email", reviewer).body["items"].empty());
  for (const char* bad : {"?limit=0", "?limit=x", "?cursor=x", "?kind=fax", "?patient=x", "?limit=1&limit=2"})
    CHECK(world.call("GET", path + bad, reviewer).status == 400);
}

}  // namespace
}  // namespace signet::api
