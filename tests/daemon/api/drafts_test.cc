#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;
using Answer = ApiWorld::Answer;

const std::string kSms = R"({"kind":"sms","recipientPhone":"+61 412 345 678","contentDraft":"Hello"})";

TEST_CASE("a draft is taken, and answered without its content") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto answer = world.call(
      "POST", "/api/messages", staff,
      R"({"kind":"email","recipientEmail":"Ann@Example.org","subject":"Result","contentDraft":"Text","patientId":"P-77",
          "priority":"high","riskLevel":"high","tags":["lab"],"purpose":"result","clientReference":"a:1",
          "maxAttempts":3,"timeZone":"Australia/Sydney",
          "scheduledFor":"2027-01-01T00:00:00Z","expiresAt":"2027-01-02T00:00:00Z"})");
  INFO(answer.raw.body);
  REQUIRE(answer.status == 201);
  CHECK(answer.body["status"] == "pending");
  CHECK(answer.body["kind"] == "email");
  CHECK(answer.body["deliveryMethod"] == "email");
  CHECK(answer.body["priority"] == "high");
  CHECK(answer.body["riskLevel"] == "high");
  CHECK(answer.body["authorId"] == staff.id.text());
  CHECK(answer.body["tags"] == Json{"lab"});
  CHECK(answer.body["maxAttempts"] == 3);
  CHECK(answer.body["expiresAt"] == "2027-01-02T00:00:00.000000Z");
  CHECK_FALSE(answer.body.contains("contentDraft"));
  CHECK(answer.raw.body.find("Ann@") == std::string::npos);
  const std::string id = answer.body["id"];
  CHECK(world.actions(id) == std::vector<std::string>{"draft_generated"});
  world.check_chain(id);
  const auto event = world.events(id)[0];
  CHECK(event["actor"]["id"] == staff.id.text());
  CHECK(event["actor"]["role"] == "staff");
  CHECK(event["actor"]["ip"] == "192.0.2.7");
  CHECK(event["actor"]["uaHash"].get<std::string>().size() == 64);
  CHECK(event["requestId"].get<std::string>().starts_with("r-"));
  CHECK(event["status"] == "pending");
}

TEST_CASE("nothing about a patient lies in clear in any table, log or entry") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff, {{"contentDraft", "MARKER-TEXT"}, {"patientId", "MARKER-PATIENT"}});
  world.call("GET", "/api/messages/" + id, reviewer);
  REQUIRE(world.review(reviewer, id, {{"reviewNotes", "MARKER-NOTES"}, {"finalContent", "MARKER-FINAL"}}).status ==
          200);
  world.call("POST", "/api/messages", staff, R"({"kind":"sms","recipientPhone":"+61499999999x","MARKER":1})");
  std::string everything = world.log.all();
  const auto tables =
      world.sql("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'audit')");
  for (int i = 0; i < tables.size(); ++i) {
    const auto rows = world.sql("select t::text from " + tables.text(i, 0) + " t");
    for (int j = 0; j < rows.size(); ++j) everything += rows.text(j, 0) + "\n";
  }
  const auto canons = world.sql("select convert_from(canon, 'UTF8') from audit.entry");
  for (int j = 0; j < canons.size(); ++j) everything += canons.text(j, 0) + "\n";
  CHECK(everything.size() > 2000);
  for (const char* marker : {"MARKER", "412345678", "499999999"}) CHECK(everything.find(marker) == std::string::npos);
}

TEST_CASE("a list is taken whole or not at all, and faults name the entry") {
  ApiWorld world;
  const auto service = world.user(Role::service);
  const auto good = world.call("POST", "/api/messages", service, "[" + kSms + "," + kSms + "," + kSms + "]");
  CHECK(good.status == 201);
  CHECK(good.body["items"].size() == 3);
  CHECK(world.count("message") == 3);
  const auto bad = world.call("POST", "/api/messages", service,
                              "[" + kSms + R"(,{"kind":"sms","recipientPhone":"0412"},{"kind":"email","x":1}])");
  CHECK(bad.status == 400);
  CHECK(bad.body["code"] == 2001);
  REQUIRE(bad.body["details"]["errors"].size() == 2);
  CHECK(bad.body["details"]["errors"][0].get<std::string>().starts_with("[1].recipientPhone is not a valid phone"));
  CHECK(bad.body["details"]["errors"][1].get<std::string>().starts_with("[2].x is unknown"));
  CHECK(world.count("message") == 3);
  CHECK(world.count("audit.entry") == 4);  // three drafts and the refusal of the list before
  CHECK(world.call("POST", "/api/messages", service, "[]").status == 400);
  std::string many = "[";
  for (int i = 0; i < 1001; ++i) many += (i > 0 ? "," : "") + kSms;
  CHECK(world.call("POST", "/api/messages", service, many + "]").status == 400);
}

TEST_CASE("a thousand drafts are one transaction") {
  ApiWorld world;
  const auto service = world.user(Role::service);
  std::string many = "[";
  for (int i = 0; i < 1000; ++i) many += (i > 0 ? "," : "") + kSms;
  const auto answer = world.call("POST", "/api/messages", service, many + "]");
  CHECK(answer.status == 201);
  CHECK(answer.body["items"].size() == 1000);
  CHECK(world.sql("select count(distinct xmin::text) from message").number(0, 0) == 1);
}

TEST_CASE("a repeated clientReference gives the first message, to its own caller") {
  ApiWorld world;
  const auto service = world.user(Role::service), other = world.user(Role::service);
  const std::string body = R"({"kind":"sms","contentDraft":"x","clientReference":"visit/1"})";
  const auto first = world.call("POST", "/api/messages", service, body);
  const auto again = world.call("POST", "/api/messages", service, body);
  const auto foreign = world.call("POST", "/api/messages", other, body);
  CHECK(first.status == 201);
  CHECK(again.status == 200);
  CHECK(again.body["id"] == first.body["id"]);
  CHECK(foreign.status == 201);
  CHECK(foreign.body["id"] != first.body["id"]);
  const auto both = world.call("POST", "/api/messages", service, "[" + body + "," + body + "]");
  CHECK(both.status == 400);
  CHECK(both.body["details"]["errors"][0].get<std::string>().starts_with("[1].clientReference repeats that of [0]"));
}

TEST_CASE("the same clientReference from two at once gives one message") {
  ApiWorld world;
  const auto service = world.user(Role::service);
  for (int round = 0; round < 10; ++round) {
    const std::string body = R"({"kind":"sms","clientReference":"r)" + std::to_string(round) + "\"}";
    Answer a, b;
    std::thread other([&] { a = world.call("POST", "/api/messages", service, body); });
    b = world.call("POST", "/api/messages", service, body);
    other.join();
    CHECK(a.status + b.status == 401);
    CHECK(a.body["id"] == b.body["id"]);
  }
  CHECK(world.count("message") == 10);
}

TEST_CASE("each bad draft is refused, naming the member") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  struct Row {
    const char *body, *fault;
  };
  const Row rows[] = {
      {R"({})", "kind is missing"},
      {R"({"kind":"letter"})", "physicianId is missing: name the doctor who answers for the letter"},
      {R"({"kind":"sms","physicianId":"0190a000-0000-7000-8000-000000000001"})", "physicianId belongs to a letter"},
      {R"({"kind":"fax"})", "kind is not one of its words"},
      {R"({"kind":"sms","recipientPhone":"0412345678"})", "recipientPhone is not a valid phone number"},
      {R"({"kind":"sms","recipientEmail":"a@example.org"})", "recipientEmail does not belong to an SMS"},
      {R"({"kind":"email","recipientPhone":"+61412345678"})", "recipientPhone does not belong to an e-mail"},
      {R"({"kind":"email","recipientEmail":"a@b"})", "recipientEmail is not a valid e-mail address"},
      {R"({"kind":"sms","subject":"x"})", "subject does not belong to an SMS"},
      {R"({"kind":"email","subject":"a\r\nBcc: b@example.org"})", "subject holds a control character"},
      {R"({"kind":"sms","deliveryMethod":"email"})", "deliveryMethod does not fit the kind"},
      {R"({"kind":"sms","expiresAt":"2020-01-01T00:00:00Z"})", "expiresAt has passed"},
      {R"({"kind":"sms","expiresAt":"2027-01-01T00:00:00Z","scheduledFor":"2027-01-01T00:00:00Z"})",
       "expiresAt is not after scheduledFor"},
      {R"({"kind":"sms","timeZone":"../../etc/passwd"})", "timeZone is no time zone"},
      {R"({"kind":"sms","priority":"urgent"})", "priority is not one of its words"},
      {R"({"kind":"sms","riskLevel":"low"})", "riskLevel is not one of its words"},
      {R"({"kind":"sms","purpose":"two words"})", "purpose is not a label"},
      {R"({"kind":"sms","maxAttempts":0})", "maxAttempts is out of range"},
      {R"({"kind":"sms","status":"queued"})", "status is unknown"},
      {R"({"kind":"sms","contentDraft":"a","contentDraft":"b"})", "contentDraft is there twice"},
      {R"(nonsense)", "The body is no JSON"},
  };
  for (const auto& row : rows) {
    const auto answer = world.call("POST", "/api/messages", staff, row.body);
    INFO(row.body << " " << answer.raw.body);
    CHECK(answer.status == 400);
    CHECK(answer.body["code"] == 2001);
    REQUIRE(answer.body["details"]["errors"].size() == 1);
    CHECK(answer.body["details"]["errors"][0].get<std::string>().starts_with(row.fault));
  }
  const auto longer =
      world.call("POST", "/api/messages", staff, R"({"kind":"sms","contentDraft":")" + std::string(1601, 'x') + "\"}");
  CHECK(longer.status == 400);
  CHECK(world.count("message") == 0);
}

TEST_CASE("a draft may lack text and recipient") {
  ApiWorld world;
  CHECK(world.call("POST", "/api/messages", world.user(Role::doctor), R"({"kind":"email"})").status == 201);
}

TEST_CASE("who may draft is said by the role table") {
  ApiWorld world;
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::service})
    CHECK(world.call("POST", "/api/messages", world.user(role), kSms).status == 201);
  const auto refused = world.call("POST", "/api/messages", world.user(Role::auditor), kSms);
  CHECK(refused.status == 403);
  CHECK(refused.body["code"] == "FORBIDDEN");
  const auto event = world.last_event("refused");
  CHECK(event["actor"]["role"] == "auditor");
  CHECK(event["detail"]["attempted"] == "draft");
  CHECK(event["object"]["n"].is_null());
}

TEST_CASE("a token counts as long as it is known, and a role change acts at once") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  CHECK(world.call("GET", "/api/me", staff).body["role"] == "staff");
  CHECK(world.sql("select last_used_at is not null from tokens").flag(0, 0));
  world.sql("update users set role = 5");
  CHECK(world.call("GET", "/api/me", staff).body["role"] == "auditor");
  CHECK(world.call("POST", "/api/messages", staff, kSms).status == 403);
  auto unknown = world.call("GET", "/api/me", {staff.id, "sgn_" + std::string(43, 'a')});
  CHECK(unknown.status == 401);
  unknown.body.erase("requestId");
  for (const char* change :
       {"update tokens set expires_at = '2020-01-01'", "update tokens set expires_at = null, revoked_at = now()",
        "update tokens set revoked_at = null", "update users set disabled_at = now()"}) {
    world.sql(change);
    auto answer = world.call("GET", "/api/me", staff);
    if (std::string(change).ends_with("revoked_at = null")) {
      CHECK(answer.status == 200);
      continue;
    }
    CHECK(answer.status == 401);
    answer.body.erase("requestId");
    CHECK(answer.body == unknown.body);
  }
}

TEST_CASE("the policy is served as the code has it") {
  ApiWorld world;
  const auto answer = world.call("GET", "/api/policy", world.user(Role::auditor));
  CHECK(answer.body["policyId"] == "signet-1");
  CHECK(answer.body["actions"].size() == 12);
  CHECK(answer.body["actions"][0] == Json::parse(R"({"action":"draft","staff":"yes","reviewer":"yes","doctor":"yes",
                                                     "admin":"yes","auditor":"no","service":"draft_only"})"));
}

TEST_CASE("a body that is not said to be JSON is refused") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  http::Request request;
  request.method = "POST";
  request.path = request.raw_target = "/api/messages";
  request.headers = {{"authorization", "Bearer " + staff.token}, {"content-type", "application/x-www-form-urlencoded"}};
  request.body = kSms;
  CHECK(world.admin.handle(request).status == 415);
  request.headers[1].second = "Application/JSON; charset=utf-8";
  CHECK(world.admin.handle(request).status == 201);
}

}  // namespace
}  // namespace signet::api
