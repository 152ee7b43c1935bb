// The role table of docs/roles.md, read from the page and tried over the API, cell by cell, allowed and refused.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "daemon/evidence/receivers.h"
#include "tests/daemon/api/api_world.h"
#include "tests/fakes/role_table.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Answer = World::Answer;

constexpr char kPage[] = SIGNET_SOURCE_DIR "/docs/roles.md";
constexpr char kDraftOnly[] = "draft (or approved, with a DSSE approval by an enrolled key)";
constexpr char kNamed[] = "its own physician or named delegate";
constexpr char kScope[] = "own and in review scope";
constexpr char kBreakGlass[] = "metadata; content by break-glass";
constexpr char kGranted[] = "metadata; content if granted";

// What GET /api/policy calls a cell.
const std::map<std::string, const char*> kGrants{{"-", "no"},
                                                 {"yes", "yes"},
                                                 {"all", "yes"},
                                                 {kDraftOnly, "draft_only"},
                                                 {"own", "own"},
                                                 {"own entries", "own"},
                                                 {kScope, "scope"},
                                                 {"own and scope", "scope"},
                                                 {kNamed, "named"},
                                                 {kBreakGlass, "metadata_or_break_glass"},
                                                 {kGranted, "metadata_or_granted"},
                                                 {"yes (letters: only)", "letters"}};

const Json kEmail{{"kind", "email"}, {"recipientPhone", nullptr}, {"recipientEmail", "a@example.org"}};
const Json kHighRisk{{"riskLevel", "high"}};

// One cell: a caller of that role, and others to work with.
struct Cell {
  World& world;
  const Role role;
  const std::string text;
  const Caller caller = world.user(role);
  const Caller staff = world.user(Role::staff), reviewer = world.user(Role::reviewer),
               doctor = world.user(Role::doctor), admin = world.user(Role::admin);

  bool is(const char* wanted) const { return text == wanted; }
  void known(std::initializer_list<const char*> texts) const {
    INFO("this cell is new: " << text);
    CHECK(std::any_of(texts.begin(), texts.end(), [&](const char* t) { return text == t; }));
  }
  void allowed(const Answer& answer, bool is_allowed, int status = 200) const {
    INFO(answer.raw.body);
    CHECK(answer.status == (is_allowed ? status : 403));
    if (is_allowed || answer.status != 403) return;
    CHECK(answer.body["title"].is_string());
    CHECK(answer.body["code"] == "FORBIDDEN");
  }
  Answer patch(const Caller& who, const std::string& id) const {
    return world.call("PATCH", "/api/messages/" + id, who, R"({"contentDraft":"Other words."})", world.if_match(id));
  }
  Answer get(const std::string& path) const { return world.call("GET", path, caller); }
  // Written by this caller, whoever may write.
  std::string own(const Json& changes = Json::object()) const {
    const auto id = world.draft(staff, changes);
    world.sql("update message set author_id = '" + caller.id.text() + "', last_editor_id = '" + caller.id.text() +
              "' where id = '" + id + "'");
    return id;
  }
};

void try_draft(Cell& c) {
  c.known({"yes", "-", kDraftOnly});
  for (const Json& changes : {Json::object(), kEmail}) {
    Json body{{"kind", "sms"}, {"recipientPhone", "+61412345678"}, {"contentDraft", "Your result is fine."}};
    body.merge_patch(changes);
    c.allowed(c.world.call("POST", "/api/messages", c.caller, body.dump()), !c.is("-"), 201);
    const auto id = c.own(changes);
    c.allowed(c.patch(c.caller, id), c.is("yes"));
    c.allowed(c.world.submit(c.caller, id), c.is("yes"));
    const auto others = c.world.draft(c.staff, changes);
    c.allowed(c.patch(c.caller, others), false);
    c.allowed(c.world.submit(c.caller, others), false);
  }
}

void try_review(Cell& c) {
  c.known({"yes", "-"});
  for (const Json& changes : {Json::object(), kEmail}) {
    c.allowed(c.world.review(c.caller, c.world.submitted(c.staff, changes)), c.is("yes"));
    c.allowed(c.world.review(c.caller, c.world.submitted(c.staff, changes),
                             {{"decision", "rejected"}, {"reviewNotes", "no"}}),
              c.is("yes"));
    const auto id = c.world.submitted(c.staff, changes);
    c.allowed(c.world.call("POST", "/api/messages/" + id + "/claim", c.caller), c.is("yes"));
    c.allowed(c.world.call("POST", "/api/messages/" + id + "/release", c.caller), c.is("yes"));
    c.allowed(c.world.call("POST", "/api/messages/" + id + "/approval-statement", c.caller, "{}"), c.is("yes"), 201);
    const auto own = c.own(changes);
    c.world.sql("update message set status = 2 where id = '" + own + "'");
    c.allowed(c.world.review(c.caller, own), false);  // whoever it is, never his own
  }
}

void try_letter(Cell& c) {
  c.known({"-", kNamed});
  const bool is_doctor = c.is(kNamed);
  Caller physician = c.doctor;
  // Another's, whatever his role.
  const auto others = c.world.letter(c.staff, physician);
  c.allowed(c.world.approve(c.caller, others), false);
  c.allowed(c.world.review(c.caller, others), false);
  const auto named = c.world.letter(c.staff, physician);
  c.world.services.approval.delegates[physician.id] = {c.caller.id};
  c.allowed(c.world.approve(c.caller, named), is_doctor);
  // Its own physician; nobody else can be one, and if he were, he might not.
  const auto own = c.world.letter(c.staff, c.doctor);
  c.world.services.approval.delegates.clear();
  c.world.sql("update message set physician_id = '" + c.caller.id.text() + "' where id = '" + own + "'");
  c.allowed(c.world.approve(c.caller, own), is_doctor);
  const Json body{{"kind", "letter"}, {"physicianId", c.caller.id.text()}, {"contentDraft", "x"}};
  CHECK(c.world.call("POST", "/api/messages", c.staff, body.dump()).status == (is_doctor ? 201 : 400));
}

void try_second_signature(Cell& c) {
  c.known({"yes", "-"});
  const auto id = c.world.submitted(c.staff, kHighRisk);
  REQUIRE(c.world.review(c.doctor, id).status == 202);
  c.allowed(c.world.review(c.caller, id), c.is("yes"));
  CHECK(c.world.status_of(id) == (c.is("yes") ? "queued" : "pending_review"));
  const auto letter = c.world.letter(c.staff, c.doctor, kHighRisk);
  c.allowed(c.world.approve(c.caller, letter), false);  // its physician comes first
  REQUIRE(c.world.approve(c.doctor, letter).status == 202);
  c.allowed(c.world.approve(c.caller, letter), c.is("yes"));
}

void try_direct(Cell& c) {
  c.known({"yes", "-"});
  for (const Json& changes : {Json::object(), kEmail}) {
    c.allowed(c.world.send_directly(c.caller, c.own(changes)), c.is("yes"));
    Json high = changes;
    high.merge_patch(kHighRisk);
    const auto answer = c.world.send_directly(c.caller, c.own(high));
    CHECK(answer.status == (c.is("yes") ? 400 : 403));
    if (c.is("yes")) CHECK(answer.body["reasons"] == Json{"HIGH_RISK"});
  }
  const auto letter = c.world.letter(c.staff, c.doctor);
  c.allowed(c.world.send_directly(c.caller, letter), false);
}

void try_cancel(Cell& c) {
  c.known({"yes", "own", "-"});
  const auto cancel = [&](const std::string& id) {
    return c.world.call("POST", "/api/messages/" + id + "/cancel", c.caller);
  };
  c.allowed(cancel(c.own()), !c.is("-"));
  c.allowed(cancel(c.world.draft(c.staff)), c.is("yes"));
  c.allowed(cancel(c.world.queued(c.staff, c.reviewer)), c.is("yes"));
  const auto cancel_many = [&](const std::vector<std::string>& ids) {
    return c.world.call("POST", "/api/messages/cancel", c.caller, Json{{"ids", ids}}.dump());
  };
  c.allowed(cancel_many({c.own()}), !c.is("-"));
  c.allowed(cancel_many({c.own(), c.world.draft(c.staff)}), c.is("yes"));
}

void try_verify(Cell& c) {
  c.known({"yes", "-"});
  c.allowed(c.world.call("POST", "/api/audit-export/verify-integrity", c.caller), c.is("yes"), 202);
  c.allowed(c.get("/api/integrity"), c.is("yes"));
}

void try_administer(Cell& c) {
  c.known({"yes", "-"});
  const bool may = c.is("yes");
  const std::string user = "/api/users/" + c.staff.id.text(), of_staff = "?userId=" + c.staff.id.text();
  const auto tag = [&] {
    const auto rows = c.world.sql("select version from users where id = '" + c.staff.id.text() + "'");
    return Headers{{"if-match", '"' + std::to_string(rows.number(0, 0)) + '"'}};
  };
  c.allowed(c.get("/api/users"), may);
  c.allowed(c.get(user), may);
  c.allowed(c.world.call("POST", "/api/users", c.caller, R"({"name":"N","email":"n@clinic.example","role":"admin"})"),
            may, 201);
  c.allowed(c.world.call("PATCH", user, c.caller, R"({"name":"N"})", tag()), may);
  c.allowed(c.world.call("PATCH", user, c.caller, R"({"role":"reviewer"})", tag()), may);
  c.allowed(c.world.call("PATCH", user, c.caller, R"({"mayReadContent":true})", tag()), may);
  c.allowed(c.world.call("POST", user + "/unlock", c.caller), may);
  const std::string fault = "0190a000-0000-7000-8000-00000000fa01";
  c.world.sql("insert into audit.fault (id, level, what, at) values ('" + fault + "', 3, 'tile', now())");
  c.allowed(c.world.call("POST", "/api/integrity/faults/" + fault + "/acknowledge", c.caller, R"({"reason":"test"})"),
            may);
  c.allowed(c.get("/api/tokens"), may);
  c.allowed(c.get("/api/tokens" + of_staff), may);
  c.allowed(c.world.call("POST", "/api/tokens", c.caller, Json{{"userId", c.staff.id.text()}}.dump()), may, 201);
  const std::string token = c.world.call("GET", "/api/me", c.staff).body["token"]["id"];
  c.allowed(c.world.call("DELETE", "/api/tokens/" + token, c.caller), may, 204);
  c.allowed(c.get("/api/sessions" + of_staff), may);
  c.allowed(c.get("/api/keys" + of_staff), may);
  // His own are everybody's.
  c.allowed(c.get("/api/sessions"), true);
  c.allowed(c.get("/api/keys"), true);
}

void try_retention(Cell& c) {
  const bool may = c.is("yes");
  const std::string hold = "/api/messages/" + c.world.draft(c.staff) + "/legal-hold";
  const auto set = [&](const Caller& who) { return c.world.call("POST", hold, who, R"({"reason":"case-1"})"); };
  c.allowed(set(c.caller), may);
  if (!may) REQUIRE(set(c.admin).status == 200);
  c.allowed(c.world.call("DELETE", hold, c.caller), may);
  c.allowed(c.world.call("POST", "/api/retention/purge", c.caller, R"({"dryRun":true})"), may);
  c.allowed(c.world.call("POST", "/api/retention/purge", c.caller, R"({"dryRun":false})"), may, 202);
}

enum class Seen { nothing, metadata, content };

Seen seen(const Cell& c, const std::string& id) {
  const auto answer = c.get("/api/messages/" + id);
  const Seen out = answer.status == 403                                                ? Seen::nothing
                   : answer.raw.body.find("Your result is fine.") == std::string::npos ? Seen::metadata
                                                                                       : Seen::content;
  if (out != Seen::nothing) CHECK(answer.status == 200);
  // What shows the content in part is as open as the content, and the history as open as the message.
  CHECK(c.get("/api/messages/" + id + "/diff").status == (out == Seen::content ? 200 : 403));
  CHECK(c.get("/api/messages/" + id + "/timeline").status == (out == Seen::nothing ? 403 : 200));
  const bool is_listed = c.get("/api/messages?limit=200").raw.body.find(id) != std::string::npos;
  CHECK(is_listed == (out != Seen::nothing));
  const auto found = c.world.call("POST", "/api/messages/search", c.caller, R"({"recipientPhone":"+61412345678"})");
  CHECK((found.raw.body.find(id) != std::string::npos) == (out != Seen::nothing));
  return out;
}

void try_read_messages(Cell& c) {
  c.known({"own", kScope, kBreakGlass, kGranted});
  const auto own = c.own(), draft = c.world.draft(c.staff), waiting = c.world.submitted(c.staff),
             approved = c.world.queued(c.staff, c.reviewer), reviewed = c.world.queued(c.staff, c.reviewer);
  c.world.sql("update message set reviewer_id = '" + c.caller.id.text() + "' where id = '" + reviewed + "'");
  const auto check = [&](Seen of_own, Seen of_scope, Seen of_others) {
    CHECK(seen(c, own) == of_own);
    CHECK(seen(c, waiting) == of_scope);
    CHECK(seen(c, reviewed) == of_scope);
    CHECK(seen(c, draft) == of_others);
    CHECK(seen(c, approved) == of_others);
    CHECK(c.get("/api/messages/" + approved + "/provenance").status == (of_others == Seen::content ? 200 : 403));
  };
  const auto open = [&] {
    return c.world.call("POST", "/api/break-glass", c.caller, R"({"reason":"an emergency","minutes":5})");
  };
  const auto grant_content = [&](bool is_granted) {
    c.world.sql("update users set may_read_content = " + std::string(is_granted ? "true" : "false") + " where id = '" +
                c.caller.id.text() + "'");
  };
  if (c.is("own")) check(Seen::content, Seen::nothing, Seen::nothing);
  if (c.is(kScope)) check(Seen::content, Seen::content, Seen::nothing);
  if (c.is(kBreakGlass) || c.is(kGranted)) check(Seen::metadata, Seen::metadata, Seen::metadata);
  const Seen before = seen(c, draft);
  grant_content(true);
  CHECK(seen(c, draft) == (c.is(kGranted) ? Seen::content : before));
  grant_content(false);
  c.allowed(open(), c.is(kBreakGlass), 201);
  CHECK(seen(c, draft) == (c.is(kBreakGlass) ? Seen::content : before));
  c.world.clock.advance_ms(5 * 60'000);
  CHECK(seen(c, draft) == before);
}

void try_read_audit(Cell& c) {
  c.known({"own entries", "own and scope", "all", "-"});
  c.allowed(c.world.call("POST", "/api/disclosures", c.caller, R"({"patientId":"p-1"})"), c.is("all"));
  const auto own = c.own(), draft = c.world.draft(c.staff), waiting = c.world.submitted(c.staff);
  REQUIRE(c.world.call("POST", "/api/users", c.admin, R"({"name":"N","email":"n@x.example","role":"staff"})").status ==
          201);
  REQUIRE(c.get("/api/me").status == 200);
  if (c.is("-")) {
    c.allowed(c.get("/api/audit-logs"), false);
    c.allowed(c.get("/api/audit-logs?statistics=true"), false);
    c.allowed(c.world.call("POST", "/api/audit-logs/search", c.caller, "{}"), false);
    c.allowed(c.world.call("POST", "/api/audit-logs", c.caller, R"({"note":"x"})"), false);
    return;
  }
  REQUIRE(c.get("/api/messages/" + own).status == 200);  // an entry of his own
  const auto check = [&](const Answer& answer) {
    INFO(answer.raw.body);
    CHECK(answer.status == 200);
    bool has_own = false, has_waiting = false, has_others = false, has_access = false;
    for (const auto& entry : answer.body["items"]) {
      const bool is_own = entry["actor"]["id"] == c.caller.id.text();
      has_own = has_own || is_own;
      if (is_own) continue;
      has_waiting = has_waiting || entry["object"]["id"] == waiting;
      has_others = has_others || entry["object"]["id"] == draft;
      has_access = has_access || entry["action"] == "user_created";
    }
    CHECK(has_own);
    CHECK(has_waiting == !c.is("own entries"));
    CHECK(has_others == c.is("all"));
    CHECK(has_access == c.is("all"));
  };
  check(c.get("/api/audit-logs?limit=200"));
  check(c.world.call("POST", "/api/audit-logs/search", c.caller, R"({"limit":200})"));
  const auto totals = c.get("/api/audit-logs?statistics=true");
  CHECK(totals.body["byAction"].contains("user_created") == c.is("all"));
  c.allowed(c.world.call("POST", "/api/audit-logs", c.caller, R"({"note":"x"})"), true, 201);
}

void try_schedules_and_alerts(Cell& c) {
  const bool is_allowed = c.is("yes");
  c.allowed(c.get("/api/report-schedules"), is_allowed);
  const std::string body = R"({"name":"monthly","cron":"0 6 1 * *","format":"pdf"})";
  c.allowed(c.world.call("POST", "/api/report-schedules", c.caller, body), is_allowed, 201);
  const auto made =
      c.world.call("POST", "/api/report-schedules", c.admin, R"({"name":"weekly","cron":"0 6 * * 1","format":"csv"})");
  const std::string path = "/api/report-schedules/" + made.body["id"].get<std::string>();
  c.allowed(c.world.call("PATCH", path, c.caller, R"({"paused":true})", {{"if-match", "\"1\""}}), is_allowed);
  c.allowed(c.world.call("DELETE", path, c.caller), is_allowed, 204);
  c.allowed(c.get("/api/alerts"), is_allowed);
  static const Receivers receivers{{{"on-call", "oncall@example.org", "", {}}}, {}, {}};
  c.world.services.receivers = &receivers;
  c.allowed(c.world.call("POST", "/api/alerts", c.caller, R"({"receiver":"on-call"})"), is_allowed, 201);
  const auto id = c.world.ids.next().text();
  c.world.sql("insert into alert (id, rule, subject, count, first_at, last_at) values ('" + id +
              "', 'stuck', '', 1, now(), now())");
  c.allowed(c.world.call("POST", "/api/alerts/" + id + "/acknowledge", c.caller), is_allowed);
}

void try_resolve(Cell& c) {
  c.known({"yes", "-", "yes (letters: only)"});
  const auto resolve = [&](const std::string& id, const char* decision) {
    return c.world.call("POST", "/api/messages/" + id + "/resolve", c.caller,
                        Json{{"decision", decision}, {"reason", "called the ward"}}.dump());
  };
  for (const Json& changes : {Json::object(), kEmail}) {
    for (const char* decision : {"fail", "resend"}) {
      const auto id = c.world.queued(c.staff, c.reviewer, changes);
      c.world.doubt(id);
      c.allowed(resolve(id, decision), !c.is("-"));
    }
    const auto id = c.world.queued(c.staff, c.reviewer, changes);
    c.world.doubt(id);
    CHECK(resolve(id, "delivered").status == (c.is("-") ? 403 : 400));  // only with evidence
  }
  const auto letter = c.world.letter(c.staff, c.doctor);
  REQUIRE(c.world.approve(c.doctor, letter).status == 200);
  c.world.doubt(letter);
  c.allowed(resolve(letter, "fail"), c.is("yes (letters: only)"));
}

void try_operate(Cell& c) {
  c.known({"yes", "-"});
  const bool may = c.is("yes");
  const auto failed = c.world.queued(c.staff, c.reviewer), dead = c.world.queued(c.staff, c.reviewer);
  c.world.fail(failed);
  c.world.fail(dead);
  for (const char* path : {"/api/queues", "/api/providers", "/api/dead-letters", "/api/status-webhooks"})
    c.allowed(c.get(path), may);
  c.allowed(c.world.call("POST", "/api/status-webhooks/" + c.world.dead_notice(failed) + "/retry", c.caller), may);
  for (const std::string path : {"/api/queues/bulk", "/api/providers/test"}) {
    c.allowed(c.world.call("POST", path + "/pause", c.caller, R"({"reason":"test"})"), may);
    c.allowed(c.world.call("POST", path + "/resume", c.caller), may);
  }
  c.allowed(c.world.call("POST", "/api/messages/" + failed + "/requeue", c.caller), may);
  c.allowed(c.world.call("POST", "/api/dead-letters/requeue", c.caller, R"({"dryRun":true})"), may);
  const auto dry = c.world.call("POST", "/api/dead-letters/requeue", c.admin, R"({"dryRun":true})").body;
  c.allowed(c.world.call("POST", "/api/dead-letters/requeue", c.caller,
                         Json{{"dryRun", false}, {"asOf", dry["asOf"]}, {"count", dry["count"]}}.dump()),
            may, 202);
}

void try_suppressions(Cell& c) {
  const bool may = c.is("yes");
  const std::string path = "/api/suppressions";
  const std::string whom = R"({"recipientPhone":"+61491570006"})";
  c.allowed(c.world.call("POST", path, c.caller, R"({"recipientPhone":"+61491570006","reason":"asked"})"), may, 201);
  if (!may) {
    const std::string body = R"({"recipientPhone":"+61491570006","reason":"asked"})";
    REQUIRE(c.world.call("POST", path, c.admin, body).status == 201);
  }
  c.allowed(c.get(path), may);
  c.allowed(c.world.call("POST", path + "/search", c.caller, whom), may);
  const std::string id = c.world.call("POST", path + "/search", c.admin, whom).body["items"][0]["id"];
  c.allowed(c.world.call("DELETE", path + "/" + id + "?reason=asked", c.caller), may, 204);
}

const std::map<std::string, std::function<void(Cell&)>> kRows{
    {"draft, edit, submit own", try_draft},
    {"review another's SMS or e-mail", try_review},
    {"approve a letter", try_letter},
    {"second signature, high risk", try_second_signature},
    {"send directly (normal risk, SMS and e-mail)", try_direct},
    {"cancel", try_cancel},
    {"resolve one in doubt (with a reason; `delivered` only with evidence)", try_resolve},
    {"requeue, pause, providers, suppressions",
     [](Cell& c) {
       try_operate(c);
       try_suppressions(c);
     }},
    {"users, roles, tokens, retention, report schedules, alerts",
     [](Cell& c) {
       try_retention(c);
       try_administer(c);
       try_schedules_and_alerts(c);
     }},
    {"read messages", try_read_messages},
    {"read audit", try_read_audit},
    {"export, verify, reports",
     [](Cell& c) {
       try_verify(c);
       c.allowed(c.get("/api/retention"), c.is("yes"));
       const auto id = c.world.queued(c.staff, c.reviewer);
       c.world.sign_log();
       c.allowed(c.get("/api/messages/" + id + "/evidence"), c.is("yes"));
       for (const char* format : {"csv", "json", "pdf", "fhir", "evidence"})
         c.allowed(c.world.call("POST", "/api/audit-export/export", c.caller,
                                Json{{"format", format}, {"purpose", "audit"}}.dump()),
                   c.is("yes"), 202);
       c.allowed(c.world.call("POST", "/api/audit-export/compliance-report", c.caller,
                              R"({"from":"2026-10-01T00:00:00Z","format":"json"})"),
                 c.is("yes"), 202);
     }},
};

TEST_CASE("each cell of the role table is as the page says, allowed and refused, over the API") {
  const auto table = role_table(kPage);
  REQUIRE(table.size() == kRows.size() + 1);
  REQUIRE(table[0].size() == 7);
  for (size_t i = 1; i < table.size(); ++i) {
    REQUIRE(table[i].size() == 7);
    for (size_t column = 1; column < 7; ++column) {
      const auto role = parse_role(table[0][column]);
      REQUIRE(role);
      DYNAMIC_SECTION(table[i][0] << ", " << table[0][column] << ": " << table[i][column]) {
        const auto row = kRows.find(table[i][0]);
        if (row == kRows.end()) FAIL("This row of the table is not tried here: write how.");
        World world;
        Cell cell{world, *role, table[i][column]};
        row->second(cell);
      }
    }
  }
}

TEST_CASE("the served role table is the page's") {
  World world;
  const auto policy = world.call("GET", "/api/policy", world.user(Role::staff)).body;
  const auto table = role_table(kPage);
  REQUIRE(policy["actions"].size() == table.size() - 1);
  for (size_t i = 1; i < table.size(); ++i)
    for (size_t column = 1; column < 7; ++column) {
      INFO(table[i][0] << ", " << table[0][column]);
      const auto wanted = kGrants.find(table[i][column]);
      REQUIRE(wanted != kGrants.end());
      CHECK(policy["actions"][i - 1][table[0][column]] == wanted->second);
    }
}

TEST_CASE("who answers for a letter, and who reviewed it, reads it") {
  World world;
  const Caller staff = world.user(Role::staff), doctor = world.user(Role::doctor), delegate = world.user(Role::doctor),
               other = world.user(Role::doctor);
  const auto id = world.letter(staff, doctor);
  const auto read = [&](const Caller& who) { return world.call("GET", "/api/letters/" + id, who).status; };
  CHECK(read(doctor) == 200);
  CHECK(read(staff) == 200);
  CHECK(read(other) == 403);
  CHECK(read(delegate) == 403);
  world.services.approval.delegates[doctor.id] = {delegate.id};
  CHECK(read(delegate) == 200);
}

TEST_CASE("only administrators and auditors look at who broke the glass") {
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service}) {
    World world;
    const Caller admin = world.user(Role::admin), caller = world.user(role);
    const std::string id =
        world.call("POST", "/api/break-glass", admin, R"({"reason":"an emergency","minutes":5})").body["id"];
    const int status = role == Role::admin || role == Role::auditor ? 200 : 403;
    INFO(name(role));
    CHECK(world.call("GET", "/api/break-glass", caller).status == status);
    CHECK(world.call("POST", "/api/break-glass/" + id + "/review", caller).status == status);
  }
}

}  // namespace
}  // namespace signet::api
