// Retention over the API: a message's own date, holds, purges on demand, what is left of an erased message, and the
// accounting of a patient's disclosures.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/evidence/purge.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using Actions = std::vector<std::string>;

constexpr int64_t kHourMs = 3'600'000;

// The day of its clock is years ahead of the database's, so that what was written just now is old.
struct World : BasicApiWorld<Json> {
  Caller staff = user(Role::staff), reviewer = user(Role::reviewer), doctor = user(Role::doctor),
         admin = user(Role::admin), auditor = user(Role::auditor);
  Purge purge{postgres.options("signet_purge"), {7, "signetd-1"}, clock, ids, log, metrics};

  World() {
    tasks.add("purge", [this](TaskRun& run) { return purge.work(run); });
  }
  std::string message(const std::string& id) { return "/api/messages/" + id; }
  Answer get(const std::string& path, const Caller& who) { return call("GET", path, who); }
  Answer hold(const std::string& id) {
    return call("POST", message(id) + "/legal-hold", admin, R"({"reason":"case-1"})");
  }
  void cancel(const std::string& id) { REQUIRE(call("POST", message(id) + "/cancel", staff).status == 200); }
  // A letter, approved and ended long ago.
  std::string old_letter() {
    const auto id = letter(staff, doctor, {{"patientId", "patient-7"}});
    const auto approved = approve(doctor, id);
    INFO(approved.raw.body);
    REQUIRE(approved.status == 200);
    REQUIRE(call("POST", message(id) + "/cancel", staff).status == 200);
    sql("update message set updated_at = '2001-01-01' where id = '" + id + "'");
    sql("insert into retention (message_id, retain_until) values ('" + id + "', '2001-01-02')");
    return id;
  }
  std::string later(int64_t ms) { return rfc3339({clock.wall().us + ms * 1000}); }
  // Asked for and run.
  Json purged() {
    const auto asked = call("POST", "/api/retention/purge", admin, R"({"dryRun":false})");
    INFO(asked.raw.body);
    REQUIRE(asked.status == 202);
    while (tasks.pass()) {
    }
    return get("/api/tasks/" + std::string(asked.body["id"]), admin).body;
  }
};

TEST_CASE("a message's own date is kept, shown, and in the log, and an edit may move it") {
  World w;
  const std::string until = w.later(24 * kHourMs), other = w.later(48 * kHourMs);
  const auto id = w.draft(w.staff, {{"retainUntil", until}});
  CHECK(w.get(w.message(id), w.staff).body["retainUntil"] == until);
  CHECK(w.last_event("draft_generated")["detail"]["retainUntil"] == until);
  const auto edited = w.call("PATCH", w.message(id), w.staff, Json{{"retainUntil", other}}.dump(), w.if_match(id));
  REQUIRE(edited.status == 200);
  CHECK(w.get(w.message(id), w.staff).body["retainUntil"] == other);
  CHECK(w.last_event("draft_edited")["detail"]["retainUntil"] == other);
  const auto refused =
      w.call("POST", "/api/messages", w.staff, Json{{"kind", "sms"}, {"retainUntil", "2001-01-01T00:00:00Z"}}.dump());
  CHECK(refused.status == 400);
  CHECK(refused.raw.body.find("retainUntil has passed") != std::string::npos);
}

TEST_CASE("what is due is counted first, erased on demand, and counted afterwards") {
  World w;
  const auto id = w.draft(w.staff, {{"retainUntil", w.later(kHourMs)}}),
             held = w.draft(w.staff, {{"retainUntil", w.later(kHourMs)}}), fresh = w.draft(w.staff);
  for (const auto& each : {id, held, fresh}) w.cancel(each);
  CHECK(w.get("/api/retention", w.auditor).body == Json{{"years", 7},
                                                        {"held", 0},
                                                        {"due", 0},
                                                        {"dueByStatus", Json::object()},
                                                        {"erased", 0},
                                                        {"lastPurge", nullptr}});
  w.clock.advance_ms(2 * kHourMs);
  REQUIRE(w.hold(held).status == 200);
  CHECK(w.last_event("legal_hold_set")["reasonCode"] == "case-1");
  CHECK(w.get(w.message(held), w.staff).body["legalHold"] == true);
  const auto dry = w.call("POST", "/api/retention/purge", w.admin, R"({"dryRun":true})");
  CHECK(dry.body == Json{{"dryRun", true}, {"due", 1}, {"dueByStatus", {{"cancelled", 1}}}});
  CHECK(w.count("content") == 3);

  const Json task = w.purged();
  CHECK(task["state"] == "done");
  CHECK(task["result"] == Json{{"dayKeys", 0}, {"messages", 1}});
  CHECK(w.count("content where message_id = '" + id + "'") == 0);
  CHECK(w.count("content") == 2);
  auto now = w.get("/api/retention", w.admin).body;
  CHECK(now["held"] == 1);
  CHECK(now["due"] == 0);
  CHECK(now["erased"] == 1);
  CHECK(now["lastPurge"]["messages"] == 1);
  CHECK(w.last_event("purged")["detail"]["policy"] == "retain_until");
  w.check_chain(id);

  REQUIRE(w.call("DELETE", w.message(held) + "/legal-hold", w.admin).status == 200);
  CHECK(w.purged()["result"]["messages"] == 1);
  CHECK(w.count("content") == 1);
  w.check_chain(held);
}

TEST_CASE("of an erased message there is its metadata and its history, and nothing that it said") {
  World w;
  const auto id = w.old_letter();
  const auto before = w.get(w.message(id), w.doctor);
  REQUIRE(before.raw.body.find("LVEF") != std::string::npos);
  CHECK(before.body["contentErased"] == false);
  const std::string hash = w.get(w.message(id) + "/provenance", w.doctor).body["hash"];
  CHECK(w.purged()["result"]["messages"] == 1);

  for (const auto& path : {w.message(id), "/api/letters/" + id}) {
    const auto read = w.get(path, w.doctor);
    CHECK(read.status == 200);
    CHECK(read.body["contentErased"] == true);
    CHECK(read.body["contentErasedAt"] == rfc3339(w.clock.wall()));
    CHECK_FALSE(read.body.contains("contentFinal"));
    CHECK_FALSE(read.body.contains("patientId"));
    CHECK(read.body["deliveryMethod"] == "email");
  }
  CHECK(w.actions(id).back() == "metadata_read");
  const auto timeline = w.get(w.message(id) + "/timeline", w.doctor);
  CHECK(timeline.status == 200);
  CHECK(timeline.raw.body.find("\"purged\"") != std::string::npos);
  CHECK(w.get(w.message(id) + "/diff", w.doctor).status == 404);
  for (const auto& path : {w.message(id), "/api/letters/" + id}) {
    const auto provenance = w.get(path + "/provenance", w.doctor);
    CHECK(provenance.status == 200);
    CHECK(provenance.body["hash"] == hash);
    CHECK(provenance.body["data"].is_null());
    CHECK(provenance.body["verified"] == false);
    CHECK(provenance.body["contentErased"] == true);
  }
  const auto report = w.get(w.message(id) + "/provenance?format=text", w.doctor);
  CHECK(report.raw.body.find("erased under the retention policy") != std::string::npos);
  CHECK(report.raw.body.find(hash) != std::string::npos);
  for (const auto& path : {std::string("/api/audit-logs?limit=200"), "/api/audit-logs?messageId=" + id}) {
    const auto log = w.get(path, w.doctor);
    CHECK(log.status == 200);
    CHECK(log.raw.body.find("LVEF") == std::string::npos);
    CHECK(log.raw.body.find("patient-7") == std::string::npos);
  }
  const auto found = w.call("POST", "/api/messages/search", w.admin, R"({"patientId":"patient-7"})");
  CHECK(found.raw.body.find(id) != std::string::npos);
  const auto edit = w.call("PATCH", w.message(id), w.staff, R"({"contentDraft":"x"})", w.if_match(id));
  CHECK(edit.status == 409);
  CHECK(w.hold(id).status == 409);
  CHECK(w.log.all().find("does not verify") == std::string::npos);
}

TEST_CASE("an erased rejected message can be neither edited nor submitted again") {
  World w;
  const auto id = w.submitted(w.staff, {{"retainUntil", w.later(kHourMs)}});
  REQUIRE(w.review(w.reviewer, id, {{"decision", "rejected"}, {"reviewNotes", "no"}}).status == 200);
  w.clock.advance_ms(2 * kHourMs);
  CHECK(w.purged()["result"]["messages"] == 1);
  CHECK(w.call("PATCH", w.message(id), w.staff, R"({"contentDraft":"x"})", w.if_match(id)).status == 404);
  CHECK(w.submit(w.staff, id).status == 404);
  CHECK(w.count("content") == 0);
}

TEST_CASE("the accounting names each disclosure of a patient's messages, before and after an erasure") {
  World w;
  const auto id = w.old_letter();
  const auto others = w.draft(w.staff, {{"patientId", "patient-8"}});
  REQUIRE(w.get(w.message(id), w.doctor).status == 200);
  REQUIRE(w.call("POST", "/api/break-glass", w.admin, R"({"reason":"an emergency","minutes":5})").status == 201);
  REQUIRE(w.get(w.message(id), w.admin).status == 200);
  REQUIRE(w.get(w.message(id) + "/provenance", w.doctor).status == 200);
  REQUIRE(w.get("/api/audit-logs", w.admin).status == 200);  // shows content while break-glass lasts
  REQUIRE(w.get(w.message(others), w.staff).status == 200);
  REQUIRE(w.get(w.message(id), w.auditor).status == 200);  // metadata: no disclosure
  const auto ask = [&](Json body) { return w.call("POST", "/api/disclosures", w.auditor, body.dump()); };
  const auto check = [&](const Json& found, bool is_erased) {
    REQUIRE(found["items"].size() == 1);
    const Json& item = found["items"][0];
    CHECK(item["messageId"] == id);
    CHECK(item["kind"] == "letter");
    CHECK(item["channel"] == "email");
    CHECK(item["status"] == "cancelled");
    CHECK(item["contentErased"] == is_erased);
    Actions actions;
    for (const auto& each : item["disclosures"]) actions.push_back(each["action"]);
    CHECK(actions == Actions{"content_read", "content_read", "provenance_read"});
    CHECK(item["disclosures"][0]["actorId"] == w.doctor.id.text());
    CHECK(item["disclosures"][0]["actorRole"] == "doctor");
    CHECK(item["disclosures"][1]["breakGlass"] == true);
    REQUIRE(found["mayInclude"].size() == 1);
    CHECK(found["mayInclude"][0]["action"] == "audit_read");
    CHECK(found["nextCursor"].is_null());
  };
  const auto first = ask({{"patientId", "patient-7"}});
  INFO(first.raw.body);
  check(first.body, false);
  CHECK(first.raw.body.find("dr.smith") == std::string::npos);
  CHECK(w.last_event("disclosures_searched")["detail"] == Json{{"filters", "patientId"}, {"rows", 1}});
  CHECK(w.purged()["result"]["messages"] == 1);
  check(ask({{"patientId", "patient-7"}}).body, true);
  check(ask({{"recipientEmail", "dr.smith@example.org"}}).body, true);
  CHECK(ask({{"patientId", "nobody"}}).body["items"].empty());
  const auto none = ask({{"patientId", "patient-7"}, {"from", w.later(kHourMs)}});
  REQUIRE(none.body["items"].size() == 1);
  CHECK(none.body["items"][0]["disclosures"].empty());
  CHECK(ask({{"patientId", "patient-7"}, {"to", "2001-01-01T00:00:00Z"}}).body["items"].empty());
}

TEST_CASE("an accounting comes in pages, the oldest message first") {
  World w;
  std::vector<std::string> ids;
  for (int i = 0; i < 3; i++) ids.push_back(w.draft(w.staff, {{"patientId", "patient-7"}}));
  Json body{{"patientId", "patient-7"}, {"limit", 2}};
  const auto first = w.call("POST", "/api/disclosures", w.admin, body.dump());
  REQUIRE(first.body["items"].size() == 2);
  CHECK(first.body["items"][0]["messageId"] == ids[0]);
  body["cursor"] = first.body["nextCursor"];
  const auto second = w.call("POST", "/api/disclosures", w.admin, body.dump());
  REQUIRE(second.body["items"].size() == 1);
  CHECK(second.body["items"][0]["messageId"] == ids[2]);
  CHECK(second.body["nextCursor"].is_null());
}

}  // namespace
}  // namespace signet::api
