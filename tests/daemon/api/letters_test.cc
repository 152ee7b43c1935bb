#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;

Json clinical() {
  return Json::parse(R"({
    "clinicalValues": [
      {"id": "val-123", "name": "LVEF", "value": "45", "unit": "%", "type": "measurement", "critical": true},
      {"id": "val-456", "name": "LAD stenosis", "value": "moderate", "type": "diagnosis", "critical": true},
      {"id": "val-789", "name": "Aspirin", "value": "100", "unit": "mg", "type": "medication"}],
    "hallucinationFlags": [
      {"id": "flag-abc", "flaggedText": "history of stroke", "severity": "minor", "reason": "not in the recording"}],
    "generation": {"primaryModel": "model-a", "criticModel": "model-b", "inputTokens": 1200, "outputTokens": 300,
      "generationDurationMs": 5400, "hallucinationRiskScore": 12.5, "parameters": {"temperature": 0.2}},
    "sourceFiles": [{"id": "rec-1", "type": "recording", "name": "visit.wav", "createdAt": "2026-11-20T09:00:00Z"}]})");
}

// The body of the product's origin.
Json origin_body() {
  return Json::parse(R"({"finalContent": "Dear Dr. Smith,\n\nThank you for referring your patient. The LVEF is 45 %.",
    "verifiedValueIds": ["val-123", "val-456", "val-789"], "dismissedFlagIds": ["flag-abc"],
    "reviewDurationMs": 180000})");
}

TEST_CASE("a letter is approved by the origin's call and answered by its body to the letter") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor, "Dr. Ada Heart");
  const auto id = world.letter(staff, doctor, clinical());
  const auto draft = world.call("GET", "/api/letters/" + id, doctor);
  CHECK(draft.body["status"] == "DRAFT");
  CHECK(draft.body["deliveryStatus"] == "pending");
  CHECK(draft.header("ETag") == "\"1\"");

  const auto answer = world.approve(doctor, id, origin_body());
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  CHECK(answer.body.size() == 4);
  CHECK(answer.body["letterId"] == id);
  CHECK(answer.body["status"] == "APPROVED");
  const std::string at = answer.body["approvedAt"];
  CHECK(at.size() == std::string("2025-12-21T10:30:00.000Z").size());
  CHECK(at.back() == 'Z');
  CHECK(parse_uuid(answer.body["provenanceId"].get<std::string>()).ok());

  const auto shown = world.call("GET", "/api/letters/" + id, doctor);
  CHECK(shown.body["status"] == "APPROVED");
  CHECK(shown.body["deliveryStatus"] == "queued");
  CHECK(shown.body["contentFinal"] == origin_body()["finalContent"]);
  CHECK(shown.body["clinicalValues"][0]["verified"] == true);
  CHECK(shown.body["clinicalValues"][0]["verifiedBy"] == doctor.id.text());
  CHECK(shown.body["hallucinationFlags"][0]["dismissed"] == true);
  CHECK(shown.body["editHistory"].size() == 1);
  CHECK(shown.body["editHistory"][0]["editorId"] == doctor.id.text());
  CHECK(world.count("due") == 1);
  CHECK(world.actions(id) ==
        std::vector<std::string>{"draft_generated", "content_read", "reviewed", "queued", "content_read"});
  const auto reviewed = world.last_event("reviewed");
  CHECK(reviewed["detail"]["selfEdited"] == true);
  CHECK(reviewed["detail"]["warnings"] == "DISMISSED_WITHOUT_REASON");
  CHECK(reviewed["provenanceSha256"].get<std::string>().size() == 64);
  world.check_chain(id);
}

TEST_CASE("what is missing from a letter is told in the origin's words, with code 2001") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor);
  Json values = clinical();
  const auto id = world.letter(staff, doctor, values);
  const auto answer = world.approve(doctor, id, {{"reviewDurationMs", 1000}});
  CHECK(answer.status == 400);
  CHECK(answer.body["error"] == "Letter does not meet approval requirements");
  CHECK(answer.body["code"] == 2001);
  CHECK(answer.body["details"] ==
        Json::parse(R"j({"errors": ["2 critical clinical values not verified: LVEF, LAD stenosis"],
                        "warnings": ["1 non-critical hallucination flag remains",
                                     "Low verification rate: 0.0% (recommended: >80%)"]})j"));
  CHECK(answer.raw.content_type == "application/problem+json");
  // Named to the physician, and nowhere else.
  const auto event = world.last_event("refused");
  CHECK(event["reasonCode"] == "CRITICAL_VALUES_UNVERIFIED");
  CHECK(event.dump().find("LVEF") == std::string::npos);
  CHECK(world.log.all().find("LVEF") == std::string::npos);
  CHECK(world.status_of(id) == "pending");
  CHECK(world.count("approval") == 0);
}

TEST_CASE("another user's letter, and one that is not there, are refused in the origin's words") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  const auto id = world.letter(staff, doctor);
  for (const auto& caller : {other, staff, world.user(Role::reviewer), world.user(Role::admin)}) {
    const auto answer = world.approve(caller, id);
    CHECK(answer.status == 403);
    CHECK(answer.body["error"] == "Cannot approve another user's letter");
    CHECK(answer.body["code"] == "FORBIDDEN");
    CHECK(world.last_event("refused")["actor"]["id"] == caller.id.text());
  }
  const auto sms = world.submitted(staff);
  for (const std::string& missing :
       {std::string("letter-123"), std::string("0190a000-0000-7000-8000-000000000001"), sms}) {
    for (const auto& answer : {world.approve(doctor, missing), world.call("GET", "/api/letters/" + missing, doctor),
                               world.call("GET", "/api/letters/" + missing + "/provenance", doctor)}) {
      CHECK(answer.status == 404);
      CHECK(answer.body["error"] == "Letter not found");
      CHECK(answer.body["code"] == 2001);
    }
  }
  CHECK(world.status_of(id) == "pending");
}

TEST_CASE("a letter in review may be approved; one that is approved may not, again") {
  ApiWorld world;
  const auto doctor = world.user(Role::doctor);
  const auto id = world.letter(world.user(Role::staff), doctor);
  world.sql("update message set status = 2");
  CHECK(world.call("GET", "/api/letters/" + id, doctor).body["status"] == "IN_REVIEW");
  CHECK(world.approve(doctor, id).status == 200);
  const auto again = world.approve(doctor, id);
  CHECK(again.status == 400);
  CHECK(again.body["details"]["errors"] == Json{"Letter is not in a reviewable state: APPROVED"});
}

TEST_CASE("a delegate whom the configuration names approves for the physician; only with the role doctor") {
  ApiWorld world;
  const auto doctor = world.user(Role::doctor), delegate = world.user(Role::doctor), nurse = world.user(Role::reviewer);
  world.services.approval.delegates[doctor.id] = {delegate.id, nurse.id};
  const auto id = world.letter(world.user(Role::staff), doctor);
  CHECK(world.approve(nurse, id).status == 403);
  CHECK(world.approve(delegate, id).status == 200);
}

TEST_CASE("a high-risk letter is signed by its physician first, then by a reviewer or another doctor") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor), other = world.user(Role::doctor),
             reviewer = world.user(Role::reviewer);
  const auto id = world.letter(staff, doctor, {{"riskLevel", "high"}});
  CHECK(world.approve(other, id).status == 403);
  CHECK(world.approve(reviewer, id).status == 403);
  const auto first = world.approve(doctor, id);
  CHECK(first.status == 202);
  CHECK(first.body == Json{{"letterId", id}, {"status", "IN_REVIEW"}, {"signatures", 1}, {"required", 2}});
  CHECK(world.count("provenance") == 0);
  CHECK(world.count("due") == 0);
  const auto twice = world.approve(doctor, id);
  CHECK(twice.status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "ALREADY_SIGNED");
  const auto edited = world.approve(reviewer, id, {{"finalContent", "Other words."}});
  CHECK(edited.status == 409);
  const auto second = world.approve(reviewer, id);
  CHECK(second.status == 200);
  CHECK(second.body["status"] == "APPROVED");
  CHECK(world.count("approval") == 2);
  CHECK(world.sql("select count(*) from approval where approval_mac is not null").number(0, 0) == 1);
  const auto provenance = world.call("GET", "/api/letters/" + id + "/provenance", doctor).body;
  CHECK(provenance["data"]["approvals"].size() == 2);
  CHECK(provenance["data"]["reviewingPhysician"]["id"] == doctor.id.text());
  CHECK(world.actions(id)[1] == "refused");
  world.check_chain(id);
}

TEST_CASE("a signature lapses after a day, and an edit voids it") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  const auto lapsed = world.letter(staff, doctor, {{"riskLevel", "high"}});
  CHECK(world.approve(doctor, lapsed).status == 202);
  world.clock.advance_ms(24 * 3600 * 1000);
  CHECK(world.approve(other, lapsed).status == 403);  // the physician's is gone: he comes first again
  CHECK(world.approve(doctor, lapsed).status == 202);
  CHECK(world.approve(other, lapsed).status == 200);
  const auto edited = world.letter(staff, doctor, {{"riskLevel", "high"}});
  CHECK(world.approve(doctor, edited).status == 202);
  CHECK(world
            .call("PATCH", "/api/messages/" + edited, staff, R"({"contentDraft":"Dear Dr. Smith, all is well."})",
                  world.if_match(edited))
            .status == 200);
  CHECK(world.status_of(edited) == "pending");
  CHECK(world.approve(other, edited).status == 403);
  CHECK(world.approve(doctor, edited).body["signatures"] == 1);
}

TEST_CASE("what makes a letter of high risk are switches: score, rate, a dismissed critical flag, a purpose") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor);
  const Json value{{"name", "x"}, {"value", "1"}, {"type", "measurement"}};
  Json a = value, b = value;
  a["id"] = "a";
  b["id"] = "b";
  struct Row {
    const char* why;
    Json changes, body;
  };
  const Row rows[] = {
      {"HIGH_RISK_SCORE", {{"generation", {{"hallucinationRiskScore", 70.5}}}}, Json::object()},
      {"LOW_VERIFICATION_RATE", {{"clinicalValues", {a, b}}}, {{"verifiedValueIds", {"a"}}}},
      {"DISMISSED_CRITICAL_FLAG",
       {{"hallucinationFlags", {{{"id", "f"}, {"flaggedText", "t"}, {"severity", "critical"}, {"reason", "r"}}}}},
       {{"dismissedFlagIds", {"f"}}, {"dismissedReasons", {{"f", "it is in the recording"}}}}},
      {"PURPOSE", {{"purpose", "oncology"}}, Json::object()}};
  world.services.approval.high_risk.purposes = {"oncology"};
  for (const auto& row : rows) {
    INFO(row.why);
    const auto answer = world.approve(doctor, world.letter(staff, doctor, row.changes), row.body);
    CHECK(answer.status == 202);
    CHECK(world.last_event("signed")["detail"]["riskReasons"] == row.why);
  }
  auto& policy = world.services.approval.high_risk;
  policy.score_above.reset();
  policy.verification_below.reset();
  policy.dismissed_critical = false;
  policy.purposes.clear();
  for (const auto& row : rows) {
    INFO(row.why);
    CHECK(world.approve(doctor, world.letter(staff, doctor, row.changes), row.body).status == 200);
  }
}

TEST_CASE("a letter that is only filed needs no recipient and queues nothing") {
  ApiWorld world;
  const auto doctor = world.user(Role::doctor);
  const auto id =
      world.letter(world.user(Role::staff), doctor, {{"deliveryMethod", "none"}, {"recipientEmail", nullptr}});
  CHECK(world.approve(doctor, id).body["status"] == "APPROVED");
  CHECK(world.count("due") == 0);
  CHECK(world.status_of(id) == "approved");
}

TEST_CASE("the review call on a letter runs the same code; sending it directly does not exist") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor);
  const auto id = world.letter(staff, doctor);
  CHECK(world.send_directly(doctor, id).status == 403);
  const auto rejected = world.review(doctor, id, {{"decision", "rejected"}, {"reviewNotes", "Too long."}});
  CHECK(rejected.status == 400);  // a draft is not rejected, it is edited
  REQUIRE(world.submit(staff, id).status == 200);
  CHECK(world.review(world.user(Role::doctor), id).body["error"] == "Cannot approve another user's letter");
  CHECK(world.review(doctor, id, {{"decision", "rejected"}, {"reviewNotes", "Too long."}}).status == 200);
  const auto answer = world.call("POST", "/api/message-workflow/review", doctor,
                                 Json{{"messageId", id}, {"decision", "approved"}}.dump());
  CHECK(answer.body["letterId"] == id);
  CHECK(answer.body["status"] == "APPROVED");
}

TEST_CASE("If-Match is optional on a letter, and stale when it is") {
  ApiWorld world;
  const auto doctor = world.user(Role::doctor);
  const auto id = world.letter(world.user(Role::staff), doctor);
  const auto path = "/api/letters/" + id + "/approve";
  CHECK(world.call("POST", path, doctor, "{}", {{"if-match", "\"7\""}}).status == 412);
  CHECK(world.last_event("refused")["reasonCode"] == "STALE");
  CHECK(world.call("POST", path, doctor, "{}", {{"if-match", "\"1\""}}).status == 200);
}

TEST_CASE("provenance is whole, in the origin's members, and verified at each read") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor, "Dr. Ada Heart");
  const auto id = world.letter(staff, doctor, clinical());
  CHECK(world.call("GET", "/api/letters/" + id + "/provenance", doctor).status == 404);
  REQUIRE(world.approve(doctor, id, origin_body()).status == 200);
  const auto path = "/api/letters/" + id + "/provenance";
  const auto answer = world.call("GET", path, doctor);
  CHECK(answer.body["verified"] == true);
  const Json& data = answer.body["data"];
  for (const char* member :
       {"letterId", "generatedAt", "approvedAt", "primaryModel", "criticModel", "inputTokens", "outputTokens",
        "generationDurationMs", "sourceFiles", "extractedValues", "hallucinationChecks", "reviewingPhysician",
        "reviewDurationMs", "edits", "contentDiff", "verificationRate", "hallucinationRiskScore"}) {
    INFO(member);
    CHECK(data.contains(member));
  }
  CHECK(data["primaryModel"] == "model-a");
  CHECK(data["generation"]["parameters"]["temperature"] == 0.2);
  CHECK(data["extractedValues"][0]["verified"] == true);
  CHECK(data["reviewingPhysician"]["name"] == "Dr. Ada Heart");
  CHECK(data["contentDiff"]["original"] == "Dear Dr. Smith,\n\nThe LVEF is 45 %.");
  CHECK(data["contentDiff"]["final"] == origin_body()["finalContent"]);
  CHECK(data["edits"].size() > 0);
  CHECK(data["edits"][0]["type"] == "addition");
  CHECK(data["verificationRate"] == 100);
  CHECK(data["approvals"].size() == 1);
  CHECK(answer.body["hash"] == world.last_event("reviewed")["provenanceSha256"]);

  const auto report = world.call("GET", path + "?format=text", doctor);
  CHECK(report.raw.content_type.starts_with("text/plain"));
  for (const char* part : {"Dr. Ada Heart", "LVEF", "model-a", "VERIFIED"})
    CHECK(report.raw.body.find(part) != std::string::npos);
  CHECK(world.call("GET", path + "?format=xml", doctor).status == 400);
  CHECK(world.call("GET", path, world.user(Role::admin)).status == 403);
  CHECK(world.call("GET", path, world.user(Role::staff)).status == 403);

  // A superuser with the guards off who swaps the hash does not get past the read.
  world.sql("alter event trigger signet_ddl disable");
  const std::string part = world.sql("select tableoid::regclass::text from provenance").text(0, 0);
  world.sql("alter table " + part + " disable trigger all");
  world.sql("update provenance set sha256 = sha256('other')");
  world.sql("alter table " + part + " enable always trigger insert_only");
  world.sql("alter event trigger signet_ddl enable always");
  CHECK(world.call("GET", path, doctor).body["verified"] == false);
  CHECK(world.call("GET", path + "?format=text", doctor).raw.body.find("NOT VERIFIED") != std::string::npos);
  CHECK(world.log.all().find("alarm=provenance") != std::string::npos);
}

}  // namespace
}  // namespace signet::api
