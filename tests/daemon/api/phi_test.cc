// No patient's data but where it belongs: marker strings through every route, as success and as refusal, and then a
// search of the log, the problems, the headers and every table. tests/chaos does the same with the real daemon.
#include "tests/fakes/markers.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/bytes.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Answer = World::Answer;
using Strings = std::vector<std::string>;

// Every text that a draft may bring, with a marker.
Json marked_draft(const char* kind) {
  Json out = Json::parse(R"({
    "contentDraft": "Your zqphimarker result, 45 %, is fine.", "patientId": "zqphimarker-patient",
    "clinicalValues": [{"id": "v-1", "name": "zqphimarker-name", "value": "zqphimarker-value", "unit": "zqphimarker-u",
                        "type": "measurement", "critical": true}],
    "hallucinationFlags": [{"id": "f-1", "flaggedText": "zqphimarker-flag", "severity": "major",
                            "reason": "zqphimarker-reason"}],
    "sourceFiles": [{"id": "s-1", "type": "recording", "name": "zqphimarker.wav", "createdAt": "2026-11-20T09:00:00Z"}],
    "generation": {"primaryModel": "model-a", "parameters": {"prompt": "zqphimarker-prompt"}}})");
  out["kind"] = kind;
  if (std::string(kind) == "sms") {
    out["recipientPhone"] = kPhone;
  } else {
    out["recipientEmail"] = kMail;
    out["subject"] = "zqphimarker-subject";
  }
  return out;
}

const Json kReview = Json::parse(R"({"verifiedValueIds": ["v-1"], "dismissedFlagIds": ["f-1"],
    "dismissedReasons": {"f-1": "zqphimarker-dismissed"}, "reviewNotes": "zqphimarker-notes"})");

// A 2001 tells its caller which members he sent that are not known, or twice: by name, never with what they hold.
std::string without_names(const std::string& problem) {
  static const std::regex names(R"((zqphimarker\.?)+ is (unknown: known here|there twice: write it once))");
  return std::regex_replace(problem, names, "");
}

struct Scene {
  World world;
  Caller staff = world.user(Role::staff), reviewer = world.user(Role::reviewer), doctor = world.user(Role::doctor),
         admin = world.user(Role::admin), auditor = world.user(Role::auditor), service = world.user(Role::service);
  Strings leaks;  // problems and headers with a marker
  int drafts = 0;
  int problems = 0;  // looked at
  int shown = 0;     // answers that show a marker to somebody entitled: the control of this test

  Answer call(const std::string& method, const std::string& path, const Caller& caller, const std::string& body = "",
              Headers headers = {}) {
    headers.emplace_back("user-agent", "zqphimarker-agent");
    headers.emplace_back("referer", "https://zqphimarker.example/");
    Answer answer = world.call(method, path, caller, body, headers);
    for (const auto& [name, value] : answer.raw.headers)
      if (has_marker(value)) leaks.push_back(method + ' ' + path + ": " + name + ": " + value);
    if (answer.status >= 400) {
      ++problems;
      if (has_marker(without_names(answer.raw.body))) leaks.push_back(method + ' ' + path + ": " + answer.raw.body);
    } else if (has_marker(answer.raw.body)) {
      ++shown;
    }
    return answer;
  }
  std::string draft(const Json& body) {
    const auto answer = call("POST", "/api/messages", staff, body.dump(),
                             {{"idempotency-key", "zqphimarker-" + std::to_string(++drafts)}});
    INFO(answer.raw.body);
    REQUIRE(answer.status == 201);
    return answer.body["id"];
  }
  void done(const Answer& answer, int status = 200) {
    INFO(answer.raw.body);
    CHECK(answer.status == status);
  }
  Answer review(const Caller& who, const std::string& id, Json changes) {
    changes["messageId"] = id;
    if (!changes.contains("decision")) changes["decision"] = "approved";
    return call("POST", "/api/message-workflow/review", who, changes.dump(), world.if_match(id));
  }
};

// From draft to provenance, with everything that people write on the way.
void walk(Scene& s) {
  const std::string sms = s.draft(marked_draft("sms"));
  const std::string at = "/api/messages/" + sms;
  s.done(s.call("PATCH", at, s.staff, R"({"contentDraft":"Your zqphimarker result, 46 %, is fine."})",
                s.world.if_match(sms)));
  const std::string submit = Json{{"messageId", sms}, {"notes", "zqphimarker-submitted"}}.dump();
  s.done(s.call("POST", "/api/message-workflow/submit-for-review", s.staff, submit));
  s.done(s.call("POST", at + "/claim", s.reviewer));
  s.done(s.call("POST", at + "/release", s.reviewer));
  s.done(s.review(s.reviewer, sms, {{"decision", "rejected"}, {"reviewNotes", "zqphimarker-rejected"}}));
  s.done(s.call("POST", "/api/message-workflow/submit-for-review", s.staff, submit));
  Json approve = kReview;
  approve["finalContent"] = "Your zqphimarker result, 47 %, is fine.";
  s.done(s.call("POST", at + "/approval-statement", s.reviewer, approve.dump()), 201);
  s.done(s.review(s.reviewer, sms, approve));
  const std::string receipt = sms + " 1 SM1 delivered e-1";
  CHECK(s.world.callback("test", receipt).status == 204);
  CHECK(s.world.callback("test", "broken 1 zqphimarker delivered e-1").status == 400);
  CHECK(s.world.callback("test", "zqphimarker " + receipt, "bad").status == 403);

  Json letter = marked_draft("letter");
  letter["physicianId"] = s.doctor.id.text();
  const auto made = s.call("POST", "/api/messages", s.staff, letter.dump());
  s.done(made, 201);
  const std::string letter_at = "/api/letters/" + made.body["id"].get<std::string>();
  s.done(s.call("POST", letter_at + "/approve", s.doctor, approve.dump()));
  for (const auto& path : {at, letter_at, at + "/diff", at + "/provenance", at + "/provenance?format=text",
                           letter_at + "/provenance", at + "/timeline"})
    s.done(s.call("GET", path, s.staff));

  Json mail = marked_draft("email");
  mail.erase("hallucinationFlags");
  mail.erase("clinicalValues");
  const auto own = s.call("POST", "/api/messages", s.doctor, mail.dump());
  s.done(own, 201);
  const Json direct{
      {"messageId", own.body["id"]}, {"finalContent", "zqphimarker 48 %"}, {"reviewNotes", "zqphimarker"}};
  s.done(s.call("POST", "/api/message-workflow/send-directly", s.doctor, direct.dump()));

  const Json people{{"recipientPhone", kPhone}, {"patientId", "zqphimarker-patient"}};
  s.done(s.call("POST", "/api/messages/search", s.staff, people.dump()));
  s.done(s.call("POST", "/api/messages/search", s.staff, Json{{"recipientEmail", kMail}}.dump()));
  s.done(s.call("POST", "/api/audit-logs/search", s.admin, people.dump()));
  s.done(s.call("POST", "/api/audit-logs", s.staff, R"({"note":"zqphimarker-noted"})"), 201);
  s.done(s.call("POST", "/api/audit-logs", s.staff, Json{{"note", "zqphimarker-noted"}, {"messageId", sms}}.dump()),
         201);
  s.done(s.call("POST", "/api/break-glass", s.admin, R"({"reason":"zqphimarker collapsed","minutes":5})"), 201);
  for (const char* path : {"/api/messages", "/api/audit-logs?limit=200", "/api/audit-logs?statistics=true",
                           "/api/break-glass", "/api/users", "/api/me", "/api/policy"})
    s.done(s.call("GET", path, s.admin));
  s.done(s.call("POST", "/api/session", {}, R"({"email":"zqphimarker@x.example","password":"zqphimarker"})"), 401);
}

// Each route with a marker at every place that a request has, in a form that is refused.
void attack(Scene& s) {
  const std::string id = s.draft({{"kind", "sms"}, {"contentDraft", "zqphimarker"}, {"recipientPhone", kPhone}});
  const std::string marked = R"("zqphimarker +61491572222")";
  Strings bodies{"zqphimarker", "\"zqphimarker\"", "[\"zqphimarker\"]", "{\"zqphimarker\":\"zqphimarker\"}",
                 "{\"zqphimarker\":{\"zqphimarker\":1,\"zqphimarker\":2}}"};
  for (const char* member : {"kind",
                             "recipientPhone",
                             "recipientEmail",
                             "contentDraft",
                             "subject",
                             "patientId",
                             "scheduledFor",
                             "timeZone",
                             "priority",
                             "riskLevel",
                             "purpose",
                             "tags",
                             "physicianId",
                             "authorId",
                             "clientReference",
                             "deliveryMethod",
                             "clinicalValues",
                             "hallucinationFlags",
                             "sourceFiles",
                             "generation",
                             "messageId",
                             "decision",
                             "reviewNotes",
                             "finalContent",
                             "verifiedValueIds",
                             "dismissedFlagIds",
                             "dismissedReasons",
                             "signature",
                             "reviewDurationMs",
                             "note",
                             "notes",
                             "reason",
                             "minutes",
                             "email",
                             "password",
                             "current",
                             "new",
                             "name",
                             "role",
                             "userId",
                             "scopes",
                             "expiresAt",
                             "publicKey",
                             "proof",
                             "replaces",
                             "status",
                             "actor",
                             "limit",
                             "cursor",
                             "ids",
                             "evidence",
                             "provider",
                             "asOf",
                             "direct"}) {
    bodies.push_back("{\"" + std::string(member) + "\":" + marked + '}');
    bodies.push_back("{\"" + std::string(member) + "\":{\"zqphimarker\":" + marked + "}}");
  }
  for (const auto& row : s.world.admin.rows()) {
    const std::string method(row.method);
    std::string path(row.pattern), foreign(row.pattern);
    if (const size_t place = path.find('{'); place != std::string::npos) {
      const size_t length = path.find('}') + 1 - place;
      const std::string what = path.substr(place, length);
      path.replace(place, length, what == "{id}" ? id : what == "{priority}" ? "bulk" : "test");
      foreign.replace(place, length, "zqphimarker");
    }
    const bool ends = row.name == "log_out" || row.name == "cancel";
    const Caller callers[] = {s.staff, s.doctor, s.admin};
    for (const Caller& caller : callers) {
      (void)s.call(method, path + "?zqphimarker=zqphimarker", caller);
      for (const char* filter : {"status", "kind", "risk", "author", "from", "age", "cursor", "limit", "userId",
                                 "format", "actor", "channel", "messageId", "action", "provider"})
        if (method == "GET") (void)s.call(method, path + '?' + filter + "=zqphimarker", caller);
      if (foreign != path) (void)s.call(method, foreign, caller, method == "GET" ? "" : "{}");
    }
    (void)s.call(method, path, {}, "", {{"authorization", "Bearer sgn_zqphimarker"}});
    (void)s.call(method, path, {}, "", {{"authorization", "zqphimarker"}});
    (void)s.call(method, path, {}, "", {{"cookie", "__Host-signet=zqphimarker"}});
    if (method == "GET" || method == "DELETE") continue;
    (void)s.call(method, path, s.staff, "zqphimarker", {{"content-type", "zqphimarker/zqphimarker"}});
    (void)s.call(method, path, s.staff, "{}", {{"if-match", "\"zqphimarker\""}});
    (void)s.call(method, path, s.staff, "{}", {{"idempotency-key", "zqphimarker zqphimarker"}});
    if (ends) continue;
    for (const auto& body : bodies)
      (void)s.call(method, path, row.rate == RateClass::approve ? s.doctor : s.admin, body, s.world.if_match(id));
    if (row.access == Access::caller)
      for (const auto& body : bodies)
        if (path.find("/api/messages") == 0) (void)s.call(method, path, s.staff, body, s.world.if_match(id));
  }
  (void)s.call("GET", "/api/zqphimarker", s.staff);
  (void)s.call("GET", "/zqphimarker?zqphimarker=zqphimarker", {});
  (void)s.call("PUT", "/api/messages?zqphimarker=1", s.staff);
}

Strings places(World& world) {
  auto session = world.postgres.session("postgres");
  auto found = tables_with_markers(*session);
  if (!found) throw std::runtime_error(found.error().text);
  return *found;
}

TEST_CASE("a patient's data is in no log, problem, header or table, whatever is asked and however it ends") {
  Scene s;
  s.world.is_held_to_records = false;  // records_test.cc looks at that; here are thousands of calls
  walk(s);
  attack(s);
  CHECK(s.problems > 1000);
  CHECK(s.shown >= 10);  // whom it is for sees it
  CHECK(s.leaks == Strings{});
  CHECK_FALSE(has_marker(s.world.log.all()));
  CHECK(places(s.world) == Strings{});
}

TEST_CASE("only the title of a problem to a reader of the content names a clinical value, and its record does not") {
  Scene s;
  const std::string id = s.draft(marked_draft("sms"));
  s.done(s.call("POST", "/api/message-workflow/submit-for-review", s.staff, Json{{"messageId", id}}.dump()));
  const auto answer = s.review(s.reviewer, id, Json::object());
  CHECK(answer.status == 400);
  CHECK(answer.body["code"] == 2001);
  CHECK(answer.body["details"]["errors"][0].get<std::string>().find("zqphimarker-name") != std::string::npos);
  REQUIRE(s.leaks.size() == 1);
  CHECK(s.world.last_event("refused")["reasonCode"] == "CRITICAL_VALUES_UNVERIFIED");
  // Nobody else: neither by role, nor before it is in his scope.
  for (const Caller& caller : {s.staff, s.admin, s.auditor, s.service}) CHECK(s.review(caller, id, {}).status == 403);
  CHECK(s.leaks.size() == 1);
  CHECK_FALSE(has_marker(s.world.log.all()));
  CHECK(places(s.world) == Strings{});
}

TEST_CASE("the search finds a marker where one is: in a text, in octets, in a log, however it is written") {
  World world;
  (void)world.user(Role::staff, "zqphimarker");
  CHECK(places(world) == Strings{"public.users"});
  world.sql("update users set name = 'Zq' || 'PhiMarker'");
  CHECK(places(world) == Strings{"public.users"});
  world.sql("update users set name = 'x'");
  CHECK(places(world).empty());
  const Caller staff = world.user(Role::staff);
  const auto id = world.draft(staff);
  for (const char* octets :
       {"'a zqphimarker b'::bytea", "'call 0491572222'::bytea", "encode('a zqphimarker b'::bytea, 'hex')::bytea",
        "encode('a zqphimarker b'::bytea, 'base64')::bytea", "encode('ab zqphimarker b'::bytea, 'base64')::bytea",
        "encode('zqphimarker b'::bytea, 'base64')::bytea"}) {
    INFO(octets);
    world.sql("update message set recipient_key = " + std::string(octets) + " where id = '" + id + "'");
    CHECK(places(world) == Strings{"public.message"});
  }
  CHECK_FALSE(has_marker(world.log.all()));
  world.log.debug("something", {{"reason", "ZqPhiMarker"}});
  CHECK(has_marker(world.log.all()));
  CHECK(has_marker("call +61491572222 now"));
  CHECK(has_marker(to_base64("call +61491572222 now")));
}

}  // namespace
}  // namespace signet::api
