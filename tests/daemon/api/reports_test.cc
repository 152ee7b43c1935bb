// Compliance reports over the API: the figures of a small world that were counted by hand, schedules, alerts.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/evidence/entry_of.h"
#include "daemon/evidence/receivers.h"
#include "daemon/evidence/reporter.h"
#include "daemon/evidence/schedules.h"
#include "message/policy.h"
#include "store/messages.h"
#include "tests/base/files.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

LogKey new_log_key() {
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  REQUIRE(key.ok());
  auto name = NoteKey::make("signet/test", NoteKeyType::ed25519, key->public_key());
  REQUIRE(name.ok());
  return {std::move(*name), std::move(*key)};
}

struct Fixture : BasicApiWorld<Json> {
  LogKey key = new_log_key();
  Receivers receivers{{{"on-call", "oncall@example.org", "", {}}}, {"compliance@example.org"}, {"/srv/reports"}};
  SystemMessages messages{keyring, due_plan, receivers.mails(), clock, ids, random, "signetd-1"};
  Reporter reporter{{"signetd-1", "1.2.3", 7, 2}, key, messages, receivers, clock, ids, log};
  Caller staff = user(Role::staff, "Sam Staff"), reviewer = user(Role::reviewer, "Rita Reviewer"),
         doctor = user(Role::doctor, "Dora Doctor"), admin_user = user(Role::admin, "Ada Admin"),
         auditor = user(Role::auditor, "Otto Auditor");

  Fixture() {
    tasks.add(
        "report", [this](TaskRun& run) { return reporter.make(run); },
        [this](PgTransaction& tx, const Task& task) { return reporter.ended(tx, task); });
    services.receivers = &receivers;
  }
  Json report(const std::string& from, const std::string& format = "json") {
    const auto asked =
        call("POST", "/api/audit-export/compliance-report", auditor, Json{{"from", from}, {"format", format}}.dump());
    INFO(asked.raw.body << log.all());
    REQUIRE(asked.status == 202);
    CHECK(asked.header("Location") == "/api/tasks/" + asked.body["id"].get<std::string>());
    while (tasks.pass()) {
    }
    const auto task = call("GET", "/api/tasks/" + asked.body["id"].get<std::string>(), auditor);
    INFO(task.raw.body << log.all());
    REQUIRE(task.body["state"] == "done");
    file = read_file(tasks.path_of(*parse_uuid(task.body["id"].get<std::string>())));
    return task.body;
  }
  std::string high_risk() { return submitted(staff, {{"riskLevel", "high"}}); }
  // As a delivery leaves it: the chain does not matter here.
  void event(const std::string& action, const std::string& provider, const std::string& reason,
             std::vector<std::pair<std::string, DetailValue>> detail) {
    Event event;
    event.id = ids.next();
    event.at = clock.wall();
    event.actor = {"signetd-1", "daemon", "", "", ""};
    event.action = action;
    event.object = {"message", ids.next().text(), 3, Digest{}};
    event.reason_code = reason;
    event.attempt = EventAttempt{1, provider, clock.wall()};
    event.detail = std::move(detail);
    auto session = postgres.session();
    PgTransaction tx(*session);
    REQUIRE(insert_entry(tx, entry_of(event, *parse_uuid(event.object.id))).ok());
    REQUIRE(tx.commit().ok());
  }
  std::string file;
};

std::map<std::string, int64_t> by_name(const Json& list) {
  std::map<std::string, int64_t> out;
  for (const auto& one : list) out[one["name"]] = one["count"];
  return out;
}

}  // namespace

TEST_CASE("a report counts what was done, as counted by hand") {
  Fixture f;
  const std::string from = rfc3339(f.clock.wall());
  const auto before = f.clock.wall();
  f.services.approval.duplicate_window_h = 0;  // the same text again is no warning here
  // Reviewed after 1, 2 and 10 minutes; one of them rejected after 4.
  for (const int minutes : {1, 2, 10}) {
    const auto id = f.submitted(f.staff, {{"priority", minutes == 1 ? "high" : "normal"}});
    f.clock.advance_ms(minutes * 60'000);
    REQUIRE(f.review(f.reviewer, id, {{"reviewDurationMs", 30'000}}).status == 200);
  }
  const auto rejected = f.submitted(f.staff);
  f.clock.advance_ms(4 * 60'000);
  REQUIRE(f.review(f.reviewer, rejected, {{"decision", "rejected"}, {"reviewNotes", "no"}}).status == 200);
  // One's own is refused, sent directly by a doctor it goes.
  const auto own = f.submitted(f.reviewer);
  REQUIRE(f.review(f.reviewer, own).status == 403);
  const auto direct = f.draft(
      f.doctor,
      {{"kind", "email"}, {"recipientPhone", nullptr}, {"recipientEmail", "anna@example.org"}, {"subject", "Hello"}});
  REQUIRE(f.send_directly(f.doctor, direct).status == 200);
  // High risk: two signatures; and one where the site allows it.
  const auto risky = f.high_risk();
  REQUIRE(f.review(f.reviewer, risky).status == 202);
  REQUIRE(f.review(f.doctor, risky).status == 200);
  f.services.approval.high_risk.quorum = 1;
  REQUIRE(f.review(f.doctor, f.high_risk()).status == 200);
  f.services.approval.high_risk.quorum = 2;
  // Two flags, one dismissed without a reason, one left open; a value verified; a model and its tokens.
  const auto generated = f.submitted(
      f.staff,
      {{"generation", {{"primaryModel", "model-a"}, {"inputTokens", 700}, {"outputTokens", 300}}},
       {"clinicalValues", {{{"id", "v1"}, {"name", "LVEF"}, {"value", "45"}, {"unit", "%"}, {"type", "measurement"}}}},
       {"hallucinationFlags",
        {{{"id", "f1"}, {"flaggedText", "fine"}, {"severity", "minor"}, {"reason", "vague"}},
         {{"id", "f2"}, {"flaggedText", "result"}, {"severity", "minor"}, {"reason", "vague"}}}}});
  const auto reviewed = f.review(f.reviewer, generated, {{"verifiedValueIds", {"v1"}}, {"dismissedFlagIds", {"f1"}}});
  INFO(reviewed.raw.body);
  REQUIRE(reviewed.status == 200);
  // Delivery: relay accepts three and confirms two, sms fails once for now and once for good.
  for (int i = 0; i < 3; i++) f.event("sent", "relay", "", {{"final", false}, {"outcome", std::string("accepted")}});
  for (int i = 0; i < 2; i++) f.event("delivery_confirmed", "relay", "", {{"final", true}});
  f.event("delivery_failed", "sms", "busy", {{"final", false}, {"outcome", std::string("transient")}});
  f.event("delivery_failed", "sms", "unknown_number", {{"final", true}, {"outcome", std::string("permanent")}});
  // An opt-out that was honoured after 1.5 s.
  f.sql("update message set recipient_key = '\\x01' where id = '" + direct + "'");
  f.sql(
      "insert into callback (id, provider, event_id, message_id, kind, sealed_by, sealed, received_at) values "
      "(gen_random_uuid(), 'relay', 'e1', '" +
      direct + "', 7, 'message', '', '" + rfc3339(f.clock.wall()) + "')");
  f.sql(
      "insert into suppressions (id, recipient_key, reason, source, created_at) values (gen_random_uuid(), '\\x01', "
      "'opted_out', 'relay', '" +
      rfc3339({f.clock.wall().us + 1'500'000}) + "')");
  // Access.
  f.set_password(f.admin_user, "correct horse battery staple");
  (void)f.log_in(f.admin_user, "correct horse battery staple");
  for (int i = 0; i < 2; i++)
    REQUIRE(
        f.call("POST", "/api/session", {}, Json{{"email", f.admin_user.email}, {"password", "wrong"}}.dump()).status ==
        401);
  REQUIRE(f.call("POST", "/api/break-glass", f.admin_user, R"({"reason":"a complaint","minutes":5})").status == 201);
  f.clock.advance_ms(10'000);

  f.report(from);
  const Json report = Json::parse(f.file);
  CHECK(report["period"]["madeFor"] == f.auditor.id.text());
  CHECK(report["messages"]["drafted"] == 9);
  CHECK(by_name(report["messages"]["byStatus"]) ==
        std::map<std::string, int64_t>{{"pending_review", 1}, {"queued", 7}, {"rejected", 1}});
  CHECK(by_name(report["messages"]["byChannel"]) == std::map<std::string, int64_t>{{"email", 1}, {"sms", 8}});
  CHECK(by_name(report["messages"]["byPriority"]) == std::map<std::string, int64_t>{{"high", 1}, {"normal", 8}});

  const Json& approvals = report["approvals"];
  CHECK(approvals["approved"] == 7);
  CHECK(approvals["rejected"] == 1);
  CHECK(approvals["sentDirectly"] == 1);
  CHECK(by_name(approvals["directByRole"]) == std::map<std::string, int64_t>{{"doctor", 1}});
  CHECK(approvals["selfReviewsBlocked"] == 1);
  CHECK(approvals["multiSignature"] == 1);
  CHECK(approvals["firstSignatures"] == 1);
  CHECK(approvals["quorumLowered"] == 1);
  CHECK(approvals["highRisk"] == 2);
  CHECK(approvals["withWarnings"] == 1);
  CHECK(by_name(approvals["warnings"]).at("DISMISSED_WITHOUT_REASON") == 1);
  CHECK(by_name(approvals["warnings"]).at("FLAGS_OPEN") == 1);
  CHECK(approvals["flagsDismissed"] == 1);
  CHECK(approvals["dismissedWithoutReason"] == 1);
  CHECK(approvals["valuesVerified"] == 1);
  CHECK(approvals["serverKeys"] == 8);
  CHECK(approvals["ownKeys"] == 0);
  // 0, 0, 0 min of the last three, 1, 2, 4, 10: half within one.
  CHECK(approvals["timeToReview"] == Json({{"count", 7}, {"p50Ms", 60'000}, {"p95Ms", 600'000}, {"maxMs", 600'000}}));

  CHECK(report["ai"]["models"] == Json::parse(R"([{"messages":1,"name":"model-a","tokens":1000}])"));
  const Json& delivery = report["delivery"];
  CHECK(delivery["sent"] == 3);
  CHECK(delivery["confirmed"] == 2);
  CHECK(delivery["failedForGood"] == 1);
  CHECK(delivery["retries"] == 1);
  CHECK(delivery["successPercent"] == 75.0);
  CHECK(by_name(delivery["failureReasons"]) == std::map<std::string, int64_t>{{"busy", 1}, {"unknown_number", 1}});
  REQUIRE(delivery["providers"].size() == 2);
  CHECK(delivery["providers"][0]["name"] == "relay");
  CHECK(delivery["providers"][0]["accepted"] == 3);
  CHECK(delivery["providers"][0]["delivered"] == 2);
  CHECK(delivery["providers"][1]["failed"] == 2);
  CHECK(delivery["optOuts"] == 1);
  CHECK(delivery["timeToHonourOptOut"]["maxMs"] == 1500);

  std::map<std::string, Json> people;
  for (const auto& person : report["people"]) people[person["name"]] = person;
  REQUIRE(people.size() == 3);
  CHECK(people["Sam Staff"]["drafted"] == 7);
  CHECK(people["Rita Reviewer"]["drafted"] == 1);
  CHECK(people["Rita Reviewer"]["approved"] == 4);
  CHECK(people["Rita Reviewer"]["rejected"] == 1);
  CHECK(people["Rita Reviewer"]["firstSignatures"] == 1);
  CHECK(people["Rita Reviewer"]["timeToReviewP50Ms"] == 120'000);
  CHECK(people["Rita Reviewer"]["reviewDurationMeanMs"] == 30'000);
  CHECK(people["Dora Doctor"]["approved"] == 3);
  CHECK(people["Dora Doctor"]["role"] == "doctor");

  const Json& access = report["access"];
  CHECK(access["logIns"] == 1);
  CHECK(access["logInsRefused"] == 2);
  CHECK(access["breakGlassOpened"] == 1);
  CHECK(access["breakGlassUnreviewed"] == 1);
  CHECK(access["keysEnrolled"] == 2);
  CHECK(report["log"]["entries"] ==
        f.count("audit.entry where at >= '" + from + "' and at < '" + report["period"]["to"].get<std::string>() + "'"));
  // Nothing of a time before is in it, and nothing about a patient.
  for (const char* secret : {"+6141", "anna@", "fine", "Hello", "LVEF"})
    CHECK(f.file.find(secret) == std::string::npos);
  CHECK(before < f.clock.wall());
}

TEST_CASE("a report is asked for by administrators and auditors, of a period that is over") {
  Fixture f;
  const std::string path = "/api/audit-export/compliance-report";
  const std::string now = rfc3339(f.clock.wall()), hour_ago = rfc3339({f.clock.wall().us - 3'600'000'000}),
                    later = rfc3339({f.clock.wall().us + 1'000'000});
  for (const Caller* caller : {&f.staff, &f.reviewer, &f.doctor})
    CHECK(f.call("POST", path, *caller, Json{{"from", hour_ago}, {"format", "pdf"}}.dump()).status == 403);
  for (const Json& bad :
       {Json{{"from", now}, {"to", now}, {"format", "pdf"}}, Json{{"from", hour_ago}},
        Json{{"from", hour_ago}, {"to", later}, {"format", "pdf"}}, Json{{"from", hour_ago}, {"format", "docx"}},
        Json{{"from", hour_ago}, {"format", "pdf"}, {"x", 1}}})
    CHECK(f.call("POST", path, f.auditor, bad.dump()).status == 400);
  CHECK(f.count("task") == 0);

  const Json task = f.report(hour_ago, "pdf");
  CHECK(f.file.starts_with("%PDF-"));
  CHECK(task["file"]["mediaType"] == "application/pdf");
  CHECK(f.last_event("report_requested")["detail"]["format"] == "pdf");
  CHECK(f.last_event("report")["detail"]["dataSha256"] == task["result"]["dataSha256"]);
  f.report(hour_ago, "csv");
  CHECK(f.file.starts_with("section,table,row,figure,value\r\n"));
}

TEST_CASE("schedules are made, changed and ended by administrators, for receivers of the configuration") {
  Fixture f;
  const Json monthly{
      {"name", "monthly"}, {"cron", "0 6 1 * *"}, {"format", "pdf"}, {"deliverTo", "compliance@example.org"}};
  CHECK(f.call("POST", "/api/report-schedules", f.auditor, monthly.dump()).status == 403);
  auto with = [&](const Json& changes) {
    Json body = monthly;
    body.merge_patch(changes);
    return f.call("POST", "/api/report-schedules", f.admin_user, body.dump());
  };
  for (const Json& bad :
       {Json{{"cron", "0 0 31 2 *"}}, Json{{"cron", "*/5 * * * *"}}, Json{{"deliverTo", "me@example.com"}},
        Json{{"deliverTo", "/etc"}}, Json{{"format", "xml"}}, Json{{"name", nullptr}}})
    CHECK(with(bad).status == 400);
  CHECK(f.count("report_schedule") == 0);
  const auto made = with(Json::object());
  INFO(made.raw.body);
  REQUIRE(made.status == 201);
  CHECK(made.body["nextDueAt"] == "2026-12-01T06:00:00.000000Z");
  CHECK(made.body["coveredUntil"] == rfc3339(f.clock.wall()));
  CHECK(with(Json::object()).status == 409);
  CHECK(with({{"name", "folder"}, {"deliverTo", "/srv/reports"}, {"cron", "0 * * * *"}}).status == 201);
  CHECK(with({{"name", "kept"}, {"deliverTo", nullptr}}).body["deliverTo"].is_null());

  const std::string path = "/api/report-schedules/" + made.body["id"].get<std::string>();
  CHECK(f.call("PATCH", path, f.admin_user, R"({"format":"csv"})").status == 428);
  CHECK(f.call("PATCH", path, f.admin_user, R"({"format":"csv"})", {{"if-match", "\"7\""}}).status == 412);
  const auto patched =
      f.call("PATCH", path, f.admin_user, R"({"format":"csv","paused":true})", {{"if-match", "\"1\""}});
  REQUIRE(patched.status == 200);
  CHECK(patched.body["version"] == 2);
  CHECK(patched.body["nextDueAt"].is_null());
  CHECK(patched.header("ETag") == "\"2\"");
  CHECK(f.last_event("report_schedule_changed")["detail"]["members"] == "format,paused");
  CHECK(f.call("GET", "/api/report-schedules", f.admin_user).body["items"].size() == 3);
  CHECK(f.call("DELETE", path, f.admin_user).status == 204);
  CHECK(f.call("DELETE", path, f.admin_user).status == 404);
  // Those of the configuration are its own.
  f.sql("update report_schedule set source = 'configuration' where name = 'folder'");
  const auto rows = f.sql("select id::text from report_schedule where name = 'folder'");
  const std::string configured = "/api/report-schedules/" + rows.text(0, 0);
  CHECK(f.call("DELETE", configured, f.admin_user).status == 409);
  CHECK(f.call("PATCH", configured, f.admin_user, R"({"format":"csv"})", {{"if-match", "\"1\""}}).status == 409);
}

TEST_CASE("alerts are listed open ones first, a page at a time, and acknowledged once") {
  Fixture f;
  auto insert = [&](const char* rule, const std::string& rest) {
    const Uuid id = f.ids.next();
    f.sql("insert into alert (id, rule, subject, count, first_at, last_at, acknowledged_at, resolved_at) values ('" +
          id.text() + "', '" + rule + "', '', 2, now(), now(), " + rest + ")");
    return id.text();
  };
  const auto resolved = insert("stuck", "null, now()"), seen = insert("integrity", "now(), null"),
             open = insert("in_doubt", "null, null"), newer = insert("review_age", "null, null");
  CHECK(f.call("GET", "/api/alerts", f.auditor).status == 403);
  auto ids_of = [](const Json& body) {
    std::vector<std::string> out;
    for (const auto& item : body["items"]) out.push_back(item["id"]);
    return out;
  };
  CHECK(ids_of(f.call("GET", "/api/alerts", f.admin_user).body) == std::vector{newer, open, seen, resolved});
  std::vector<std::string> paged;
  std::string cursor;
  do {
    const auto page = f.call("GET", "/api/alerts?limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor), f.admin_user);
    REQUIRE(page.status == 200);
    for (const auto& id : ids_of(page.body)) paged.push_back(id);
    cursor = page.body["nextCursor"].is_null() ? "" : page.body["nextCursor"].get<std::string>();
  } while (!cursor.empty());
  CHECK(paged == std::vector{newer, open, seen, resolved});
  CHECK(ids_of(f.call("GET", "/api/alerts?state=acknowledged", f.admin_user).body) == std::vector{seen});
  CHECK(f.call("GET", "/api/alerts?state=loud", f.admin_user).status == 400);

  const auto path = "/api/alerts/" + open + "/acknowledge";
  CHECK(f.call("POST", path, f.auditor).status == 403);
  const auto done = f.call("POST", path, f.admin_user);
  REQUIRE(done.status == 200);
  CHECK(done.body["state"] == "acknowledged");
  CHECK(done.body["acknowledgedBy"] == f.admin_user.id.text());
  CHECK(done.body["title"] == "Messages are in doubt for too long");
  CHECK(f.call("POST", path, f.admin_user).status == 409);
  CHECK(f.call("POST", "/api/alerts/" + resolved + "/acknowledge", f.admin_user).status == 409);
  CHECK(f.call("POST", "/api/alerts/" + f.ids.next().text() + "/acknowledge", f.admin_user).status == 404);
}

TEST_CASE("a test alert tells one receiver, and is over at once") {
  Fixture f;
  CHECK(f.call("POST", "/api/alerts", f.auditor, R"({"receiver":"on-call"})").status == 403);
  CHECK(f.call("POST", "/api/alerts", f.admin_user, R"({"receiver":"nobody"})").status == 400);
  const auto made = f.call("POST", "/api/alerts", f.admin_user, R"({"receiver":"on-call"})");
  REQUIRE(made.status == 201);
  CHECK(made.body["rule"] == "test");
  CHECK(made.body["state"] == "resolved");
  CHECK(f.count("alert_notice where receiver = 'on-call' and due_at is not null") == 1);
}

}  // namespace signet::api
