// Nothing happens unrecorded: each row of the route table with its outcomes, and exactly the entries that they leave. A
// route without a script here fails.
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/bytes.h"
#include "base/signature.h"
#include "daemon/evidence/receivers.h"
#include "tests/daemon/api/api_world.h"
#include "tests/daemon/api/handed_over.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Answer = World::Answer;
using Actions = std::vector<std::string>;

constexpr char kPassword[] = "correct horse battery staple";
constexpr char kStranger[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kUnknownToken[] = "sgn_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

// Rows whose success writes nothing: nothing about anybody else is read or done.
const std::map<std::string, const char*> kSilent{
    {"GET /healthz", "says that the process runs"},
    {"GET /openapi.json", "is the API's description, the same for everybody"},
    {"GET /readyz", "says whether the daemon can work"},
    {"GET /metrics", "numbers of the daemon, no person's"},
    {"GET /api/me", "the caller about himself"},
    {"GET /api/session", "the caller about himself"},
    {"GET /api/tasks/{id}", "how far something is, which its own entries tell of"},
    {"GET /api/retention", "numbers of messages, no person's"},
    {"GET /api/policy", "the role table, which docs/roles.md shows to everybody"},
    {"GET /api/queues", "numbers of messages, no person's"},
    {"GET /api/providers", "numbers of providers, no person's"},
};

std::string key_of(const RouteRow& row) { return std::string(row.method) + ' ' + std::string(row.pattern); }

// What every table holds, as one hash each; but for the log, and for when somebody was seen last.
// But of the log itself, and of what seals the user agent whose hash a first event carries.
std::map<std::string, std::string> contents_of(World& world) {
  static const std::string question = [&] {
    const auto tables = world.sql(
        "select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n on n.oid = relnamespace "
        "where relkind in ('r', 'p') and not relispartition and nspname in ('public', 'audit') "
        "and not (nspname = 'audit' and relname in ('entry', 'user_agent')) and relname <> 'day_key' order by 1");
    std::string all;
    for (int i = 0; i < tables.size(); ++i) {
      const std::string table(tables.text(i, 0));
      all += (all.empty() ? "" : " union all ") + std::string("select '") + table +
             "', coalesce(md5(string_agg(row, '|' order by row)), '') from (select (to_jsonb(t) - 'last_used_at' - "
             "'last_seen_at')::text as row from " +
             table + " t) x";
    }
    return all;
  }();
  const auto rows = world.sql(question);
  std::map<std::string, std::string> out;
  for (int i = 0; i < rows.size(); ++i) out[std::string(rows.text(i, 0))] = rows.text(i, 1);
  return out;
}

using Tables = std::set<std::string>;
using Ask = std::function<Answer()>;

struct Scene {
  World& world;
  const RouteRow& row;
  std::set<std::string> seen = {};  // actions that successes wrote

  Caller staff = world.user(Role::staff), other = world.user(Role::staff), reviewer = world.user(Role::reviewer),
         doctor = world.user(Role::doctor), second = world.user(Role::doctor), admin = world.user(Role::admin),
         auditor = world.user(Role::auditor), service = world.user(Role::service);

  // The answer, and exactly these entries, in this order.
  Answer good(int status, const Actions& wanted, const Ask& ask) {
    (void)world.new_actions();
    Answer answer = ask();
    INFO(key_of(row) << ": " << answer.raw.body);
    CHECK(answer.status == status);
    CHECK(world.new_actions() == wanted);
    seen.insert(wanted.begin(), wanted.end());
    return answer;
  }

  // Exactly one `refused`, with what was attempted, why, and of what; and nothing else changes anywhere.
  void bad(int status, const std::string& reason, const std::string& object, const Ask& ask) {
    const auto before = contents_of(world);
    (void)world.new_actions();
    const Answer answer = ask();
    INFO(key_of(row) << ": " << reason << ": " << answer.raw.body);
    CHECK(answer.status == status);
    REQUIRE(world.new_actions() == Actions{"refused"});
    const Json event = world.last_event("refused");
    CHECK(event["reasonCode"] == reason);
    CHECK(event["detail"]["attempted"] == row.name);
    const Json none, about = event.contains("object") ? event["object"] : none;
    CHECK((about.is_object() ? about.value("id", "") : "") == object);
    CHECK((!about.is_object() || about["n"].is_null()));
    check_changed(before, {});
  }

  // A refusal that has an entry of its own, or of nobody, which has none.
  void bad_with(int status, const Actions& wanted, const Tables& changed, const Ask& ask) {
    const auto before = contents_of(world);
    (void)world.new_actions();
    const Answer answer = ask();
    INFO(key_of(row) << ": " << answer.raw.body);
    CHECK(answer.status == status);
    CHECK(world.new_actions() == wanted);
    check_changed(before, changed);
  }

  void check_changed(const std::map<std::string, std::string>& before, const Tables& wanted) {
    Tables changed;
    for (const auto& [table, hash] : contents_of(world))
      if (before.at(table) != hash) changed.insert(table);
    CHECK(changed == wanted);
  }

  Answer call(const std::string& path, const Caller& caller, const std::string& body = "",
              const Headers& headers = {}) {
    return world.call(std::string(row.method), path, caller, body, headers);
  }
  Answer call(const Caller& caller, const Json& body) { return call(std::string(row.pattern), caller, body.dump()); }
  // The row's address with this id, or name.
  std::string at(const std::string& id) const {
    std::string path(row.pattern);
    const size_t place = path.find('{');
    return place == std::string::npos ? path : path.replace(place, path.find('}') + 1 - place, id);
  }
  Caller session_of(const Caller& user) {
    world.set_password(user, kPassword);
    return world.log_in(user, kPassword);
  }
  int64_t version_of(const Caller& user) {
    return world.sql("select version from users where id = '" + user.id.text() + "'").number(0, 0);
  }
  void permit(const std::string& id) {
    world.sql("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, permitted_at) values ('" + id +
              "', 1, 1, gen_random_uuid(), 'signetd-1', now())");
  }
  void claim(const Caller& who, const std::string& id) {
    REQUIRE(world.call("POST", "/api/messages/" + id + "/claim", who).status == 200);
  }
  // So that the daemon keeps a key for him already.
  void signs(const Caller& who) { (void)world.queued(staff, who); }
};

// Of lists: an unknown query parameter, and a value that is none.
void refuses_filters(Scene& s, const Caller& caller, const std::string& bad_filter) {
  const std::string path(s.row.pattern);
  s.bad(400, "2001", "", [&] { return s.call(path + "?patient=x", caller); });
  if (!bad_filter.empty()) s.bad(400, "2001", "", [&] { return s.call(path + bad_filter, caller); });
}

void refuses_bodies(Scene& s, const std::string& path, const Caller& caller, const Headers& headers = {},
                    const std::string& object = "") {
  for (const char* body : {"{", "[]", R"({"nonsense":1})"})
    s.bad(400, "2001", object, [&] { return s.call(path, caller, body, headers); });
  Headers other = headers;
  other.emplace_back("content-type", "text/plain");
  s.bad(415, "UNSUPPORTED_MEDIA_TYPE", object, [&] { return s.call(path, caller, "{}", other); });
}

void refuses_ids(Scene& s, const Caller& caller, const std::string& code = "NOT_FOUND", const std::string& body = "",
                 bool is_named = true) {
  s.bad(404, code, "", [&] { return s.call(s.at("nonsense"), caller, body); });
  s.bad(404, code, is_named ? kStranger : "", [&] { return s.call(s.at(kStranger), caller, body); });
}

// Who sees nothing of it, and what is not there.
void refuses_readers(Scene& s, const std::string& id, const std::string& code = "NOT_FOUND") {
  s.bad(403, "OUT_OF_SCOPE", id, [&] { return s.call(s.at(id), s.other); });
  refuses_ids(s, s.staff, code);
  s.bad(400, "2001", "", [&] { return s.call(s.at(id) + "?x=1", s.staff); });
}

Json credentials(const Caller& user, const std::string& password) {
  return {{"email", user.email}, {"password", password}};
}

Json enrolment(const Caller& user, const SigningKey& key) {
  const std::string challenge =
      "signet-enrol\n" + user.id.text() + '\n' + to_hex(view(sha256(key.public_key().spki())));
  return {{"publicKey", to_base64(key.public_key().spki())}, {"proof", to_base64(key.sign(challenge).value())}};
}

SigningKey new_key() { return SigningKey::generate(SignatureAlgorithm::ed25519).value(); }

// The refusals that a review and a direct sending have in common.
void refuses_decisions(Scene& s, bool is_direct) {
  const std::string path(s.row.pattern);
  const auto body = [&](const std::string& id, const Json& changes = Json::object()) {
    Json out{{"messageId", id}};
    if (!is_direct) out["decision"] = "approved";
    out.merge_patch(changes);
    return out.dump();
  };
  refuses_bodies(s, path, s.reviewer);
  s.bad(404, "NOT_FOUND", kStranger, [&] { return s.call(path, s.reviewer, body(kStranger)); });
  const auto id = s.world.submitted(s.staff);
  const Headers right = s.world.if_match(id);
  for (const Caller& caller : {s.staff, s.auditor, s.service})
    s.bad(403, "ROLE", id, [&] { return s.call(path, caller, body(id), right); });
  s.bad(428, "PRECONDITION_REQUIRED", id, [&] { return s.call(path, s.reviewer, body(id)); });
  s.bad(412, "STALE", id, [&] { return s.call(path, s.reviewer, body(id), {{"if-match", "\"7\""}}); });
  s.bad(403, "SIGNATURE_UNREADABLE", id, [&] {
    return s.call(path, s.reviewer, body(id, {{"signature", {{"payload", "x"}}}}), right);
  });
  const Caller bare = s.world.with_token(s.second, {});
  s.bad(403, "STEP_UP_REQUIRED", id, [&] { return s.call(path, bare, body(id), right); });
  s.bad(400, "UNKNOWN_VALUE", id, [&] {
    return s.call(path, s.reviewer, body(id, {{"verifiedValueIds", {"none"}}}), right);
  });
  s.bad(400, "UNKNOWN_FLAG", id, [&] {
    return s.call(path, s.reviewer, body(id, {{"dismissedFlagIds", {"none"}}}), right);
  });
  const Json critical = Json::parse(
      R"({"clinicalValues":[{"id":"v","name":"LVEF","value":"45","unit":"%","type":"measurement","critical":true}],
          "hallucinationFlags":[{"id":"f","flaggedText":"x","severity":"critical","reason":"y"}]})");
  const auto open = s.world.submitted(s.staff, critical);
  s.bad(400, is_direct ? "HIGH_RISK" : "CRITICAL_VALUES_UNVERIFIED", open,
        [&] { return s.call(path, s.reviewer, body(open), s.world.if_match(open)); });
  s.claim(s.doctor, id);
  s.bad(409, "CLAIMED", id, [&] { return s.call(path, s.reviewer, body(id), right); });
  const auto gone = s.world.queued(s.staff, s.reviewer);
  s.bad(400, "NOT_REVIEWABLE", gone, [&] { return s.call(path, s.reviewer, body(gone), s.world.if_match(gone)); });
}

// Of a priority or a provider. What is so already is no event.
void check_pause(Scene& s, const std::string& name) {
  const std::string why = R"({"reason":"incident"})";
  s.bad(403, "ROLE", "", [&] { return s.call(s.at(name), s.doctor, why); });
  s.bad(404, "NOT_FOUND", "", [&] { return s.call(s.at("nonsense"), s.admin, why); });
  s.bad(400, "2001", "", [&] { return s.call(s.at(name), s.admin, R"({"reason":"because"})"); });
  refuses_bodies(s, s.at(name), s.admin);
  s.good(200, {"paused"}, [&] { return s.call(s.at(name), s.admin, why); });
  s.good(200, {}, [&] { return s.call(s.at(name), s.admin, why); });
}

void check_resume(Scene& s, const std::string& name) {
  std::string pause = s.at(name);
  pause.replace(pause.find("resume"), 6, "pause");
  REQUIRE(s.world.call("POST", pause, s.admin, R"({"reason":"test"})").status == 200);
  s.bad(403, "ROLE", "", [&] { return s.call(s.at(name), s.doctor); });
  s.bad(404, "NOT_FOUND", "", [&] { return s.call(s.at("nonsense"), s.admin); });
  refuses_bodies(s, s.at(name), s.admin);
  s.good(200, {"resumed"}, [&] { return s.call(s.at(name), s.admin); });
  s.good(200, {}, [&] { return s.call(s.at(name), s.admin); });
}

const Json kMonthly{{"name", "monthly"}, {"cron", "0 6 1 * *"}, {"format", "pdf"}};

std::string monthly(Scene& s) {
  const auto answer = s.world.call("POST", "/api/report-schedules", s.admin, kMonthly.dump());
  REQUIRE(answer.status == 201);
  return answer.body["id"];
}

using Script = std::function<void(Scene&)>;

const std::map<std::string, Script> kScripts{
    {"GET /openapi.json", [](Scene& s) { s.good(200, {}, [&] { return s.call("/openapi.json", {}); }); }},
    {"GET /healthz", [](Scene& s) { s.good(200, {}, [&] { return s.call("/healthz", {}); }); }},
    {"GET /readyz", [](Scene& s) { s.good(200, {}, [&] { return s.call("/readyz", {}); }); }},
    {"GET /metrics", [](Scene& s) { s.good(200, {}, [&] { return s.call("/metrics", s.admin); }); }},
    {"GET /api/me",
     [](Scene& s) {
       s.good(200, {}, [&] { return s.call("/api/me", s.staff); });
       refuses_filters(s, s.staff, "");
     }},
    {"GET /api/policy",
     [](Scene& s) {
       s.good(200, {}, [&] { return s.call("/api/policy", s.staff); });
       refuses_filters(s, s.staff, "");
     }},
    {"POST /api/session",
     [](Scene& s) {
       s.world.set_password(s.doctor, kPassword);
       s.good(200, {"login"}, [&] { return s.call({}, credentials(s.doctor, kPassword)); });
       // Nobody is known: a try leaves what was tried, everything else nothing.
       s.bad_with(401, {"login_refused"}, {"public.users"}, [&] { return s.call({}, credentials(s.doctor, "wrong")); });
       s.bad_with(401, {"login_refused"}, {}, [&] {
         return s.call({}, credentials({{}, "", "x@y.example"}, "wrong"));
       });
       s.bad_with(400, {}, {}, [&] { return s.call({}, {{"email", "x"}}); });
       s.world.clock.advance_ms(3600'000);
       const Actions last{"login_refused", "lockout"};
       for (int misses = 2; misses < 10; ++misses) {
         s.world.clock.advance_ms(3600'000);
         CHECK(s.call({}, credentials(s.doctor, "wrong")).status == 401);
       }
       s.world.clock.advance_ms(3600'000);
       s.bad_with(401, last, {"public.users"}, [&] { return s.call({}, credentials(s.doctor, "wrong")); });
     }},
    {"GET /api/session",
     [](Scene& s) {
       const Caller session = s.session_of(s.staff);
       s.good(200, {}, [&] { return s.call("/api/session", session); });
       s.bad(404, "NOT_FOUND", "", [&] { return s.call("/api/session", s.staff); });
       refuses_filters(s, session, "");
     }},
    {"DELETE /api/session",
     [](Scene& s) {
       const Caller session = s.session_of(s.staff);
       s.bad(404, "NOT_FOUND", "", [&] { return s.call("/api/session", s.staff); });
       refuses_filters(s, session, "");
       s.good(204, {"logout"}, [&] { return s.call("/api/session", session); });
     }},
    {"POST /api/session/step-up",
     [](Scene& s) {
       const Caller session = s.session_of(s.staff);
       refuses_bodies(s, std::string(s.row.pattern), session);
       s.bad(404, "NOT_FOUND", "", [&] { return s.call(s.staff, {{"password", kPassword}}); });
       s.bad_with(403, {"step_up_refused"}, {"public.users"}, [&] { return s.call(session, {{"password", "wrong"}}); });
       s.world.clock.advance_ms(600'000);
       s.good(200, {"step_up"}, [&] { return s.call(session, {{"password", kPassword}}); });
     }},
    {"GET /api/sessions",
     [](Scene& s) {
       s.good(200, {"sessions_listed"}, [&] { return s.call("/api/sessions", s.staff); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/sessions?userId=" + s.doctor.id.text(), s.staff); });
       refuses_filters(s, s.staff, "?userId=x");
     }},
    {"DELETE /api/sessions/{id}",
     [](Scene& s) {
       const std::string id = s.world.call("GET", "/api/session", s.session_of(s.doctor)).body["id"];
       s.bad(404, "NOT_FOUND", id, [&] { return s.call(s.at(id), s.staff); });
       refuses_ids(s, s.admin);
       s.good(204, {"session_revoked"}, [&] { return s.call(s.at(id), s.admin); });
     }},
    {"POST /api/me/password",
     [](Scene& s) {
       s.world.set_password(s.doctor, kPassword);
       const Json wanted{{"current", kPassword}, {"new", "another good long one"}};
       refuses_bodies(s, std::string(s.row.pattern), s.doctor);
       s.bad_with(403, {"refused"}, {"public.users"}, [&] {
         return s.call(s.doctor, {{"current", "wrong"}, {"new", "another good long one"}});
       });
       CHECK(s.world.last_event("refused")["detail"]["attempted"] == "change_password");
       s.world.clock.advance_ms(600'000);
       s.good(204, {"password_changed"}, [&] { return s.call(s.doctor, wanted); });
     }},
    {"GET /api/users",
     [](Scene& s) {
       s.good(200, {"users_listed"}, [&] { return s.call("/api/users", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/users", s.doctor); });
       refuses_filters(s, s.admin, "");
     }},
    {"POST /api/users",
     [](Scene& s) {
       const Json body{{"name", "Ada"}, {"email", "ada@clinic.example"}, {"role", "doctor"}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, body); });
       refuses_bodies(s, "/api/users", s.admin);
       s.good(201, {"user_created"}, [&] { return s.call(s.admin, body); });
       s.bad(409, "EMAIL_TAKEN", "", [&] { return s.call(s.admin, body); });
     }},
    {"GET /api/users/{id}",
     [](Scene& s) {
       const std::string id = s.staff.id.text();
       s.good(200, {"users_listed"}, [&] { return s.call(s.at(id), s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.admin);
     }},
    {"PATCH /api/users/{id}",
     [](Scene& s) {
       const std::string id = s.staff.id.text();
       const auto tag = [&](const Caller& user) {
         return Headers{{"if-match", '"' + std::to_string(s.version_of(user)) + '"'}};
       };
       s.bad(403, "ROLE", "", [&] { return s.call(s.at(id), s.doctor, R"({"name":"x"})", tag(s.staff)); });
       s.bad(428, "PRECONDITION_REQUIRED", id, [&] { return s.call(s.at(id), s.admin, R"({"name":"x"})"); });
       s.bad(412, "STALE", id, [&] { return s.call(s.at(id), s.admin, R"({"name":"x"})", {{"if-match", "\"9\""}}); });
       refuses_bodies(s, s.at(id), s.admin, tag(s.staff), id);
       refuses_ids(s, s.admin, "NOT_FOUND", R"({"name":"x"})");
       s.bad(403, "OWN_ROLE", s.admin.id.text(),
             [&] { return s.call(s.at(s.admin.id.text()), s.admin, R"({"role":"staff"})", tag(s.admin)); });
       s.bad(409, "EMAIL_TAKEN", id, [&] {
         return s.call(s.at(id), s.admin, Json{{"email", s.doctor.email}}.dump(), tag(s.staff));
       });
       s.good(200, {"user_changed"}, [&] { return s.call(s.at(id), s.admin, R"({"name":"x"})", tag(s.staff)); });
       s.good(200, {"role_changed"}, [&] { return s.call(s.at(id), s.admin, R"({"role":"auditor"})", tag(s.staff)); });
       s.good(200, {"password_changed"},
              [&] { return s.call(s.at(id), s.admin, R"({"password":"a long one to guess"})", tag(s.staff)); });
       s.good(200, {"role_changed", "password_changed", "user_changed"}, [&] {
         return s.call(s.at(id), s.admin, R"({"name":"y","role":"staff","password":"a longer one to guess"})",
                       tag(s.staff));
       });
     }},
    {"POST /api/users/{id}/unlock",
     [](Scene& s) {
       const std::string id = s.staff.id.text();
       s.bad(403, "ROLE", "", [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.admin);
       s.good(200, {"unlocked"}, [&] { return s.call(s.at(id), s.admin); });
     }},
    {"GET /api/tokens",
     [](Scene& s) {
       s.good(200, {"tokens_listed"}, [&] { return s.call("/api/tokens", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/tokens", s.doctor); });
       refuses_filters(s, s.admin, "?userId=x");
     }},
    {"POST /api/tokens",
     [](Scene& s) {
       const Json body{{"userId", s.service.id.text()}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, body); });
       refuses_bodies(s, "/api/tokens", s.admin);
       s.bad(404, "NOT_FOUND", "", [&] { return s.call(s.admin, {{"userId", kStranger}}); });
       s.good(201, {"token_created"}, [&] { return s.call(s.admin, body); });
     }},
    {"DELETE /api/tokens/{id}",
     [](Scene& s) {
       const std::string id = s.world.call("GET", "/api/me", s.service).body["token"]["id"];
       s.bad(403, "ROLE", "", [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.admin);
       s.good(204, {"token_revoked"}, [&] { return s.call(s.at(id), s.admin); });
     }},
    {"GET /api/keys",
     [](Scene& s) {
       s.good(200, {"keys_listed"}, [&] { return s.call("/api/keys", s.doctor); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/keys?userId=" + s.staff.id.text(), s.doctor); });
       refuses_filters(s, s.doctor, "?userId=x");
     }},
    {"POST /api/keys",
     [](Scene& s) {
       const SigningKey key = new_key();
       const Json body = enrolment(s.doctor, key);
       const Caller bare = s.world.with_token(s.doctor, {});
       s.bad(403, "STEP_UP_REQUIRED", "", [&] { return s.call(bare, body); });
       refuses_bodies(s, "/api/keys", s.doctor);
       s.bad(403, "BAD_PROOF", "", [&] { return s.call(s.second, body); });
       const auto made = s.good(201, {"key_enrolled"}, [&] { return s.call(s.doctor, body); });
       s.bad(409, "KEY_TAKEN", "", [&] { return s.call(s.doctor, body); });
       Json next = enrolment(s.doctor, new_key());
       next["replaces"] = kStranger;
       s.bad(404, "NOT_FOUND", "", [&] { return s.call(s.doctor, next); });
       next["replaces"] = made.body["id"];
       s.good(201, {"key_rotated"}, [&] { return s.call(s.doctor, next); });
       Json late = enrolment(s.doctor, new_key());
       late["replaces"] = made.body["id"];
       s.bad(409, "KEY_ENDED", "", [&] { return s.call(s.doctor, late); });
     }},
    {"POST /api/keys/{id}/revoke",
     [](Scene& s) {
       const std::string id =
           s.world.call("POST", "/api/keys", s.doctor, enrolment(s.doctor, new_key()).dump()).body["id"];
       const std::string why = R"({"reason":"lost"})";
       refuses_bodies(s, s.at(id), s.doctor, {}, id);
       s.bad(404, "NOT_FOUND", id, [&] { return s.call(s.at(id), s.second, why); });
       refuses_ids(s, s.doctor, "NOT_FOUND", why);
       s.good(200, {"key_revoked"}, [&] { return s.call(s.at(id), s.doctor, why); });
       s.bad(409, "KEY_ENDED", id, [&] { return s.call(s.at(id), s.doctor, why); });
     }},
    {"GET /api/break-glass",
     [](Scene& s) {
       s.good(200, {"break_glass_listed"}, [&] { return s.call("/api/break-glass", s.auditor); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/break-glass", s.doctor); });
       refuses_filters(s, s.admin, "");
     }},
    {"POST /api/audit-export/verify-integrity",
     [](Scene& s) {
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, Json::object()); });
       refuses_bodies(s, "/api/audit-export/verify-integrity", s.auditor);
       s.bad(400, "2001", "", [&] { return s.call(s.auditor, Json{{"from", 9}, {"to", 9}}); });
       s.good(202, {"integrity_check_asked"}, [&] { return s.call(s.auditor, Json{{"from", 0}, {"to", 9}}); });
     }},
    {"GET /api/integrity",
     [](Scene& s) {
       s.good(200, {"integrity_read"}, [&] { return s.call("/api/integrity", s.auditor); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/integrity", s.doctor); });
       refuses_filters(s, s.auditor, "");
     }},
    {"POST /api/integrity/faults/{id}/acknowledge",
     [](Scene& s) {
       const std::string id = "0190a000-0000-7000-8000-00000000fa01";
       s.world.sql("insert into audit.fault (id, level, what, seq, relation, row_key, at) values ('" + id +
                   "', 3, 'tile', 256, 'audit.tile', '0/1', now())");
       const std::string body = R"({"reason":"restored"})";
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.auditor, body); });
       refuses_bodies(s, s.at(id), s.admin, {}, id);
       s.bad(400, "2001", id, [&] { return s.call(s.at(id), s.admin, R"({"reason":"because"})"); });
       refuses_ids(s, s.admin, "NOT_FOUND", body);
       s.good(200, {"integrity_fault_acknowledged"}, [&] { return s.call(s.at(id), s.admin, body); });
       s.bad(409, "ACKNOWLEDGED", id, [&] { return s.call(s.at(id), s.admin, body); });
     }},
    {"GET /api/tasks",
     [](Scene& s) {
       s.world.task(s.admin);
       s.good(200, {"tasks_listed"}, [&] { return s.call("/api/tasks", s.auditor); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/tasks", s.doctor); });
       refuses_filters(s, s.auditor, "?limit=x");
     }},
    {"GET /api/tasks/{id}",
     [](Scene& s) {
       const auto id = s.world.task(s.admin);
       s.good(200, {}, [&] { return s.call(s.at(id), s.auditor); });
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.auditor);
     }},
    {"GET /api/tasks/{id}/file",
     [](Scene& s) {
       const auto id = s.world.task(s.auditor);
       s.good(200, {"task_file_read"}, [&] { return s.call(s.at(id), s.auditor); });
       s.bad(403, "NOT_YOURS", id, [&] { return s.call(s.at(id), s.admin); });
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.auditor);
       s.world.sql("update task set instance = 'other' where id = '" + id + "'");
       s.bad(409, "OTHER_INSTANCE", id, [&] { return s.call(s.at(id), s.auditor); });
       s.world.sql("update task set state = 'failed' where id = '" + id + "'");
       s.bad(409, "NOT_DONE", id, [&] { return s.call(s.at(id), s.auditor); });
       s.world.sql("update task set state = 'done', file_gone_at = now() where id = '" + id + "'");
       s.bad(404, "FILE_GONE", id, [&] { return s.call(s.at(id), s.auditor); });
     }},
    {"DELETE /api/tasks/{id}",
     [](Scene& s) {
       const auto id = s.world.task(s.auditor);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.auditor);
       s.good(200, {"task_file_removed"}, [&] { return s.call(s.at(id), s.auditor); });
       s.bad(409, "ENDED", id, [&] { return s.call(s.at(id), s.auditor); });
       s.world.sql("update task set state = 'waiting', asked_by = '" + s.admin.id.text() + "' where id = '" + id + "'");
       s.bad(403, "NOT_YOURS", id, [&] { return s.call(s.at(id), s.auditor); });
       s.good(200, {"task_cancelled"}, [&] { return s.call(s.at(id), s.admin); });
     }},
    {"POST /api/audit-export/export",
     [](Scene& s) {
       const Json body{{"format", "csv"}, {"purpose", "audit"}};
       const Json with{{"format", "csv"}, {"purpose", "audit"}, {"include", {{"content", true}}}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, body); });
       s.bad(403, "METADATA_ONLY", "", [&] { return s.call(s.auditor, with); });
       s.bad(403, "METADATA_ONLY", "", [&] { return s.call(s.admin, with); });
       refuses_bodies(s, "/api/audit-export/export", s.auditor);
       s.good(202, {"export_requested"}, [&] { return s.call(s.auditor, body); });
       // What is waited for is fetched in the same call.
       s.world.tasks.add("export", [](TaskRun& run) -> Result<TaskEnd> {
         if (auto written = run.file().write("x"); !written) return written.error();
         return TaskEnd{"{}", "x.csv", "text/csv"};
       });
       std::atomic<bool> is_done = false;
       std::thread worker([&] {
         while (!is_done)
           if (!s.world.tasks.pass()) std::this_thread::yield();
       });
       s.good(200, {"export_requested", "task_file_read"},
              [&] { return s.call("/api/audit-export/export?wait=true", s.auditor, body.dump()); });
       is_done = true;
       worker.join();
     }},
    {"POST /api/break-glass",
     [](Scene& s) {
       const Json body{{"reason", "an emergency"}, {"minutes", 5}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, body); });
       refuses_bodies(s, "/api/break-glass", s.admin);
       s.good(201, {"break_glass_opened"}, [&] { return s.call(s.admin, body); });
     }},
    {"POST /api/break-glass/{id}/review",
     [](Scene& s) {
       const std::string id =
           s.world.call("POST", "/api/break-glass", s.admin, R"({"reason":"an emergency","minutes":5})").body["id"];
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.doctor); });
       s.bad(403, "SELF_REVIEW", id, [&] { return s.call(s.at(id), s.admin); });
       refuses_ids(s, s.auditor);
       s.bad(400, "2001", id, [&] { return s.call(s.at(id), s.auditor, R"({"x":1})"); });
       s.good(200, {"break_glass_reviewed"}, [&] { return s.call(s.at(id), s.auditor); });
       s.bad(409, "REVIEWED", id, [&] { return s.call(s.at(id), s.auditor); });
     }},
    {"POST /api/messages",
     [](Scene& s) {
       const Json one{
           {"kind", "sms"}, {"recipientPhone", "+61412345678"}, {"contentDraft", "x"}, {"clientReference", "c-1"}};
       const Json two{{"kind", "sms"}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.auditor, one); });
       for (const char* body : {"{", "[]", R"({"kind":"fax"})", R"({"kind":"sms","nonsense":1})"})
         s.bad(400, "2001", "", [&] { return s.call("/api/messages", s.staff, body); });
       s.bad(400, "2001", "", [&] {
         return s.call(s.staff, {{"kind", "letter"}, {"physicianId", s.staff.id.text()}});
       });
       s.good(201, {"draft_generated"}, [&] { return s.call(s.staff, one); });
       s.good(200, {"metadata_read"}, [&] { return s.call(s.staff, one); });
       // A service brings approvals with it: of one signer, and of two on high risk.
       World& world = s.world;
       const HandedSigner first{s.reviewer.id, Role::reviewer,
                                enrolled(world.postgres, world.ids, world.clock, s.reviewer.id)};
       const HandedSigner next{s.doctor.id, Role::doctor, enrolled(world.postgres, world.ids, world.clock, s.doctor.id),
                               Meaning::second_signature};
       const std::string handed = handed_over(world.ids, world.clock, {first});
       Json risky = Json::parse(handed_over(world.ids, world.clock, {first, next}));
       risky["riskLevel"] = "high";
       s.bad(403, "ROLE", "", [&] { return s.call("/api/messages", s.staff, handed); });
       s.good(201, {"draft_generated", "reviewed", "queued"},
              [&] { return s.call("/api/messages", s.service, handed); });
       s.bad(409, "ID_TAKEN", Json::parse(handed)["id"], [&] { return s.call("/api/messages", s.service, handed); });
       s.good(201, {"draft_generated", "signed", "reviewed", "queued"}, [&] { return s.call(s.service, risky); });
       s.good(201, {"metadata_read", "draft_generated", "draft_generated"}, [&] {
         return s.call(s.staff, Json{one, two, two});
       });
       const Headers key{{"idempotency-key", "k-1"}};
       s.good(201, {"draft_generated"}, [&] { return s.call("/api/messages", s.staff, two.dump(), key); });
       s.good(201, {}, [&] { return s.call("/api/messages", s.staff, two.dump(), key); });
       s.bad(422, "IDEMPOTENCY_KEY_REUSED", "", [&] { return s.call("/api/messages", s.staff, one.dump(), key); });
       s.bad(400, "2001", "", [&] {
         return s.call("/api/messages", s.staff, one.dump(), {{"idempotency-key", "a b"}});
       });
     }},
    {"GET /api/messages",
     [](Scene& s) {
       (void)s.world.draft(s.staff);
       s.good(200, {"messages_listed"}, [&] { return s.call("/api/messages", s.staff); });
       refuses_filters(s, s.staff, "?status=x");
     }},
    {"POST /api/messages/search",
     [](Scene& s) {
       s.good(200, {"messages_searched"}, [&] { return s.call(s.staff, {{"recipientPhone", "+61412345678"}}); });
       refuses_bodies(s, std::string(s.row.pattern), s.staff);
       s.bad(400, "2001", "", [&] { return s.call(s.staff, {{"status", "x"}}); });
     }},
    {"GET /api/messages/{id}",
     [](Scene& s) {
       const auto id = s.world.draft(s.staff);
       s.good(200, {"content_read"}, [&] { return s.call(s.at(id), s.staff); });
       s.good(200, {"metadata_read"}, [&] { return s.call(s.at(id), s.admin); });
       refuses_readers(s, id);
     }},
    {"PATCH /api/messages/{id}",
     [](Scene& s) {
       const auto id = s.world.draft(s.staff);
       const std::string body = R"({"contentDraft":"y"})";
       s.bad(403, "NOT_OWN", id, [&] { return s.call(s.at(id), s.other, body, s.world.if_match(id)); });
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.auditor, body, s.world.if_match(id)); });
       s.bad(428, "PRECONDITION_REQUIRED", id, [&] { return s.call(s.at(id), s.staff, body); });
       s.bad(412, "STALE", id, [&] { return s.call(s.at(id), s.staff, body, {{"if-match", "\"7\""}}); });
       refuses_bodies(s, s.at(id), s.staff, s.world.if_match(id), id);
       refuses_ids(s, s.staff, "NOT_FOUND", body);
       s.good(200, {"draft_edited"}, [&] { return s.call(s.at(id), s.staff, body, s.world.if_match(id)); });
       const auto sent = s.world.queued(s.staff, s.reviewer);
       s.permit(sent);
       s.bad(409, "BEING_SENT", sent, [&] { return s.call(s.at(sent), s.staff, body, s.world.if_match(sent)); });
       REQUIRE(s.world.call("POST", "/api/messages/" + id + "/cancel", s.staff).status == 200);
       s.bad(409, "NOT_EDITABLE", id, [&] { return s.call(s.at(id), s.staff, body, s.world.if_match(id)); });
     }},
    {"GET /api/messages/{id}/evidence",
     [](Scene& s) {
       const auto id = s.world.queued(s.staff, s.reviewer);
       s.bad(409, "NO_CHECKPOINT_YET", id, [&] { return s.call(s.at(id), s.auditor); });
       s.world.sign_log();
       refuses_readers(s, id);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.staff); });
       s.good(200, {"evidence_read"}, [&] { return s.call(s.at(id), s.auditor); });
     }},
    {"GET /api/messages/{id}/timeline",
     [](Scene& s) {
       const auto id = s.world.draft(s.staff);
       s.good(200, {"timeline_read"}, [&] { return s.call(s.at(id), s.staff); });
       refuses_readers(s, id);
     }},
    {"GET /api/messages/{id}/diff",
     [](Scene& s) {
       const auto id = s.world.draft(s.staff);
       s.good(200, {"diff_read"}, [&] { return s.call(s.at(id), s.staff); });
       s.bad(403, "METADATA_ONLY", id, [&] { return s.call(s.at(id), s.admin); });
       refuses_readers(s, id);
     }},
    {"GET /api/messages/{id}/provenance",
     [](Scene& s) {
       const auto id = s.world.submitted(s.staff);
       s.bad(404, "NOT_FOUND", id, [&] { return s.call(s.at(id), s.staff); });
       REQUIRE(s.world.review(s.reviewer, id).status == 200);
       s.good(200, {"provenance_read"}, [&] { return s.call(s.at(id), s.staff); });
       s.good(200, {"provenance_read"}, [&] { return s.call(s.at(id) + "?format=text", s.staff); });
       s.bad(400, "2001", id, [&] { return s.call(s.at(id) + "?format=x", s.staff); });
       s.bad(403, "METADATA_ONLY", id, [&] { return s.call(s.at(id), s.auditor); });
       refuses_readers(s, id);
     }},
    {"POST /api/messages/{id}/claim",
     [](Scene& s) {
       const auto id = s.world.submitted(s.staff), draft = s.world.draft(s.staff);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.staff); });
       s.bad(409, "NOT_REVIEWABLE", draft, [&] { return s.call(s.at(draft), s.reviewer); });
       refuses_ids(s, s.reviewer);
       s.bad(400, "2001", "", [&] { return s.call(s.at(id), s.reviewer, R"({"minutes":0})"); });
       s.good(200, {"claimed"}, [&] { return s.call(s.at(id), s.reviewer); });
       s.bad(409, "CLAIMED", id, [&] { return s.call(s.at(id), s.doctor); });
     }},
    {"POST /api/messages/{id}/release",
     [](Scene& s) {
       const auto id = s.world.submitted(s.staff);
       s.claim(s.reviewer, id);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.staff); });
       s.bad(409, "CLAIMED", id, [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.reviewer);
       s.bad(400, "2001", "", [&] { return s.call(s.at(id), s.reviewer, R"({"x":0})"); });
       s.good(200, {"released"}, [&] { return s.call(s.at(id), s.reviewer); });
     }},
    {"POST /api/messages/{id}/approval-statement",
     [](Scene& s) {
       const auto id = s.world.submitted(s.doctor);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.staff, "{}"); });
       s.bad(403, "SELF_REVIEW", id, [&] { return s.call(s.at(id), s.doctor, "{}"); });
       s.bad(412, "STALE", id, [&] { return s.call(s.at(id), s.reviewer, "{}", {{"if-match", "\"7\""}}); });
       refuses_bodies(s, s.at(id), s.reviewer);
       refuses_ids(s, s.reviewer, "NOT_FOUND", "{}");
       s.good(201, {"statement_issued"}, [&] { return s.call(s.at(id), s.reviewer, "{}"); });
     }},
    {"POST /api/messages/{id}/cancel",
     [](Scene& s) {
       const auto id = s.world.draft(s.staff);
       s.bad(403, "NOT_OWN", id, [&] { return s.call(s.at(id), s.other); });
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.auditor); });
       s.bad(400, "2001", "", [&] { return s.call(s.at(id), s.staff, R"({"x":0})"); });
       refuses_ids(s, s.staff);
       s.good(200, {"cancelled"}, [&] { return s.call(s.at(id), s.staff); });
       s.good(200, {}, [&] { return s.call(s.at(id), s.staff); });  // it is cancelled already
       const auto sent = s.world.queued(s.staff, s.reviewer);
       s.permit(sent);
       s.good(409, {"cancel_requested"}, [&] { return s.call(s.at(sent), s.staff); });
       s.bad(409, "BEING_SENT", sent, [&] { return s.call(s.at(sent), s.staff); });
       s.world.sql("update message set status = 5 where id = '" + sent + "'");
       s.bad(409, "NOT_CANCELLABLE", sent, [&] { return s.call(s.at(sent), s.staff); });
     }},
    {"POST /api/message-workflow/submit-for-review",
     [](Scene& s) {
       const std::string path(s.row.pattern);
       const auto id = s.world.draft(s.staff), empty = s.world.draft(s.staff, {{"contentDraft", nullptr}});
       const Json body{{"messageId", id}, {"notes", "please"}};
       s.bad(403, "NOT_OWN", id, [&] { return s.call(s.other, body); });
       s.bad(403, "ROLE", id, [&] { return s.call(s.service, body); });
       s.bad(412, "STALE", id, [&] { return s.call(path, s.staff, body.dump(), {{"if-match", "\"7\""}}); });
       s.bad(404, "NOT_FOUND", kStranger, [&] { return s.call(s.staff, {{"messageId", kStranger}}); });
       s.bad(400, "CONTENT_EMPTY", empty, [&] { return s.call(s.staff, {{"messageId", empty}}); });
       refuses_bodies(s, path, s.staff);
       s.good(200, {"submitted_for_review"}, [&] { return s.call(s.staff, body); });
       s.bad(409, "NOT_SUBMITTABLE", id, [&] { return s.call(s.staff, body); });
     }},
    {"POST /api/message-workflow/review",
     [](Scene& s) {
       const auto review = [&](const Caller& who, const std::string& id, Json changes = Json::object()) {
         return [&s, who, id, changes] { return s.world.review(who, id, changes); };
       };
       s.good(200, {"key_enrolled", "reviewed", "queued"}, review(s.reviewer, s.world.submitted(s.staff)));
       s.good(200, {"reviewed", "queued"}, review(s.reviewer, s.world.submitted(s.staff)));
       s.good(200, {"reviewed"}, review(s.reviewer, s.world.submitted(s.staff, {{"deliveryMethod", "none"}})));
       s.good(200, {"reviewed"},
              review(s.reviewer, s.world.submitted(s.staff), {{"decision", "rejected"}, {"reviewNotes", "no"}}));
       const auto high = s.world.submitted(s.staff, {{"riskLevel", "high"}});
       s.good(202, {"signed"}, review(s.reviewer, high));
       s.bad(403, "ALREADY_SIGNED", high, review(s.reviewer, high));
       s.bad(409, "HIGH_RISK_EDIT", high, review(s.doctor, high, {{"finalContent", "other words"}}));
       s.signs(s.doctor);
       s.good(200, {"reviewed", "queued"}, review(s.doctor, high));
       const auto own = s.world.submitted(s.doctor);
       s.bad(403, "SELF_REVIEW", own, review(s.doctor, own));
       refuses_decisions(s, false);
     }},
    {"POST /api/message-workflow/send-directly",
     [](Scene& s) {
       s.signs(s.reviewer);
       const auto own = s.world.draft(s.reviewer), others = s.world.draft(s.staff);
       s.bad(403, "OUT_OF_SCOPE", others, [&] { return s.world.send_directly(s.reviewer, others); });
       const auto letter = s.world.letter(s.staff, s.doctor);
       s.bad(403, "LETTER_DIRECT", letter, [&] { return s.world.send_directly(s.doctor, letter); });
       const auto high = s.world.submitted(s.staff, {{"riskLevel", "high"}});
       s.bad(400, "HIGH_RISK", high, [&] { return s.world.send_directly(s.reviewer, high); });
       s.good(200, {"reviewed", "queued"}, [&] { return s.world.send_directly(s.reviewer, own); });
       refuses_decisions(s, true);
     }},
    {"GET /api/message-workflow/pending-review",
     [](Scene& s) {
       s.good(200, {"messages_listed"}, [&] { return s.call(std::string(s.row.pattern), s.reviewer); });
       refuses_filters(s, s.reviewer, "?kind=fax");
     }},
    {"GET /api/letters/{id}",
     [](Scene& s) {
       const auto id = s.world.letter(s.staff, s.doctor), sms = s.world.draft(s.staff);
       s.good(200, {"content_read"}, [&] { return s.call(s.at(id), s.doctor); });
       s.good(200, {"metadata_read"}, [&] { return s.call(s.at(id), s.admin); });
       s.bad(404, "2001", sms, [&] { return s.call(s.at(sms), s.staff); });
       refuses_readers(s, id, "2001");
     }},
    {"POST /api/letters/{id}/approve",
     [](Scene& s) {
       s.signs(s.doctor);
       s.signs(s.second);
       const auto id = s.world.letter(s.staff, s.doctor), sms = s.world.draft(s.staff);
       s.bad(403, "ROLE", id, [&] { return s.world.approve(s.staff, id); });
       s.bad(403, "NOT_THE_PHYSICIAN", id, [&] { return s.world.approve(s.second, id); });
       s.bad(404, "2001", sms, [&] { return s.world.approve(s.doctor, sms); });
       s.bad(412, "STALE", id, [&] { return s.call(s.at(id), s.doctor, "{}", {{"if-match", "\"7\""}}); });
       const Caller bare = s.world.with_token(s.doctor, {});
       s.bad(403, "STEP_UP_REQUIRED", id, [&] { return s.world.approve(bare, id); });
       refuses_ids(s, s.doctor, "2001", "{}");
       refuses_bodies(s, s.at(id), s.doctor);
       s.good(200, {"reviewed", "queued"}, [&] { return s.world.approve(s.doctor, id); });
       s.bad(400, "NOT_REVIEWABLE", id, [&] { return s.world.approve(s.doctor, id); });
       const auto high = s.world.letter(s.staff, s.doctor, {{"riskLevel", "high"}});
       s.good(202, {"signed"}, [&] { return s.world.approve(s.doctor, high); });
       s.bad(403, "ALREADY_SIGNED", high, [&] { return s.world.approve(s.doctor, high); });
       s.good(200, {"reviewed", "queued"}, [&] { return s.world.approve(s.second, high); });
     }},
    {"GET /api/letters/{id}/provenance",
     [](Scene& s) {
       const auto id = s.world.letter(s.staff, s.doctor);
       s.bad(404, "2001", id, [&] { return s.call(s.at(id), s.staff); });
       REQUIRE(s.world.approve(s.doctor, id).status == 200);
       s.good(200, {"provenance_read"}, [&] { return s.call(s.at(id), s.staff); });
       s.bad(403, "METADATA_ONLY", id, [&] { return s.call(s.at(id), s.auditor); });
       refuses_readers(s, id, "2001");
     }},
    {"GET /api/retention",
     [](Scene& s) {
       s.good(200, {}, [&] { return s.call("/api/retention", s.auditor); });
       s.good(200, {}, [&] { return s.call("/api/retention", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/retention", s.doctor); });
       refuses_filters(s, s.admin, "");
     }},
    {"POST /api/retention/purge",
     [](Scene& s) {
       s.bad(403, "ROLE", "", [&] { return s.call(s.auditor, {{"dryRun", true}}); });
       refuses_bodies(s, std::string(s.row.pattern), s.admin);
       s.good(200, {"purge_requested"}, [&] { return s.call(s.admin, {{"dryRun", true}}); });
       s.good(202, {"purge_requested"}, [&] { return s.call(s.admin, {{"dryRun", false}}); });
       CHECK(s.world.count("task where kind = 'purge'") == 1);
     }},
    {"POST /api/messages/{id}/legal-hold",
     [](Scene& s) {
       const auto id = s.world.queued(s.staff, s.reviewer);
       const std::string body = R"({"reason":"case-1"})";
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.auditor, body); });
       s.bad(400, "2001", id, [&] { return s.call(s.at(id), s.admin, R"({"reason":"Mrs Miller sues us"})"); });
       refuses_bodies(s, s.at(id), s.admin, {}, id);
       refuses_ids(s, s.admin, "NOT_FOUND", body);
       s.good(200, {"legal_hold_set"}, [&] { return s.call(s.at(id), s.admin, body); });
       s.bad(409, "HELD", id, [&] { return s.call(s.at(id), s.admin, body); });
       s.world.check_chain(id);
       const auto erased = s.world.draft(s.staff);
       s.world.sql("insert into retention (message_id, erased_at) values ('" + erased + "', now())");
       s.bad(409, "ERASED", erased, [&] { return s.call(s.at(erased), s.admin, body); });
     }},
    {"DELETE /api/messages/{id}/legal-hold",
     [](Scene& s) {
       const auto id = s.world.queued(s.staff, s.reviewer);
       s.bad(409, "NOT_HELD", id, [&] { return s.call(s.at(id), s.admin); });
       REQUIRE(s.world.call("POST", s.at(id), s.admin, R"({"reason":"case-1"})").status == 200);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.doctor); });
       refuses_ids(s, s.admin);
       s.good(200, {"legal_hold_ended"}, [&] { return s.call(s.at(id), s.admin); });
       s.world.check_chain(id);
     }},
    {"POST /api/disclosures",
     [](Scene& s) {
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, {{"patientId", "p-1"}}); });
       s.bad(400, "2001", "", [&] { return s.call(s.auditor, Json::object()); });
       refuses_bodies(s, std::string(s.row.pattern), s.auditor);
       s.good(200, {"disclosures_searched"}, [&] { return s.call(s.auditor, {{"patientId", "p-1"}}); });
     }},
    {"GET /api/audit-logs",
     [](Scene& s) {
       s.good(200, {"audit_read"}, [&] { return s.call("/api/audit-logs", s.staff); });
       s.good(200, {"audit_read"}, [&] { return s.call("/api/audit-logs?statistics=true", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/audit-logs", s.service); });
       refuses_filters(s, s.admin, "?status=x");
     }},
    {"POST /api/audit-logs",
     [](Scene& s) {
       const auto id = s.world.draft(s.staff);
       s.bad(403, "ROLE", "", [&] { return s.call(s.service, {{"note", "x"}}); });
       s.bad(403, "OUT_OF_SCOPE", id, [&] { return s.call(s.other, {{"note", "x"}, {"messageId", id}}); });
       s.bad(404, "NOT_FOUND", kStranger, [&] { return s.call(s.staff, {{"note", "x"}, {"messageId", kStranger}}); });
       refuses_bodies(s, "/api/audit-logs", s.staff);
       s.good(201, {"external_note"}, [&] { return s.call(s.staff, {{"note", "x"}}); });
       s.good(201, {"external_note"}, [&] { return s.call(s.staff, {{"note", "x"}, {"messageId", id}}); });
     }},
    {"POST /api/audit-logs/search",
     [](Scene& s) {
       s.good(200, {"audit_searched"}, [&] { return s.call(s.admin, {{"action", "refused"}}); });
       s.bad(403, "ROLE", "", [&] { return s.call(s.service, Json::object()); });
       refuses_bodies(s, std::string(s.row.pattern), s.admin);
     }},
    {"POST /api/audit-export/compliance-report",
     [](Scene& s) {
       const std::string path(s.row.pattern);
       const Json body{{"from", "2026-10-01T00:00:00Z"}, {"format", "json"}};
       s.bad(403, "ROLE", "", [&] { return s.call(path, s.doctor, body.dump()); });
       refuses_bodies(s, path, s.auditor);
       s.good(202, {"report_requested"}, [&] { return s.call(path, s.auditor, body.dump()); });
       s.good(202, {"report_requested"}, [&] { return s.call(path, s.admin, body.dump()); });
       // With ?wait the answer may be the file, which task_file_read tells of: tests/daemon/api/reports_test.cc.
       s.seen.insert("task_file_read");
     }},
    {"GET /api/report-schedules",
     [](Scene& s) {
       s.good(200, {"report_schedules_listed"}, [&] { return s.call("/api/report-schedules", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/report-schedules", s.auditor); });
       refuses_filters(s, s.admin, "");
     }},
    {"POST /api/report-schedules",
     [](Scene& s) {
       s.bad(403, "ROLE", "", [&] { return s.call(s.auditor, kMonthly); });
       refuses_bodies(s, "/api/report-schedules", s.admin);
       s.good(201, {"report_schedule_created"}, [&] { return s.call(s.admin, kMonthly); });
       s.bad(409, "NAME_TAKEN", "", [&] { return s.call(s.admin, kMonthly); });
     }},
    {"PATCH /api/report-schedules/{id}",
     [](Scene& s) {
       const auto id = monthly(s);
       const Headers first{{"if-match", "\"1\""}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.at(id), s.auditor, R"({"paused":true})", first); });
       s.bad(428, "PRECONDITION_REQUIRED", id, [&] { return s.call(s.at(id), s.admin, R"({"paused":true})"); });
       s.bad(412, "STALE", id, [&] {
         return s.call(s.at(id), s.admin, R"({"paused":true})", {{"if-match", "\"7\""}});
       });
       refuses_ids(s, s.admin, "NOT_FOUND", "{}");
       refuses_bodies(s, s.at(id), s.admin, first, id);
       s.good(200, {"report_schedule_changed"}, [&] { return s.call(s.at(id), s.admin, R"({"paused":true})", first); });
       s.world.sql("update report_schedule set source = 'configuration'");
       s.bad(409, "CONFIGURED", id, [&] { return s.call(s.at(id), s.admin, "{}", {{"if-match", "\"2\""}}); });
     }},
    {"DELETE /api/report-schedules/{id}",
     [](Scene& s) {
       const auto id = monthly(s);
       s.bad(403, "ROLE", "", [&] { return s.call(s.at(id), s.auditor); });
       refuses_ids(s, s.admin);
       s.world.sql("update report_schedule set source = 'configuration'");
       s.bad(409, "CONFIGURED", id, [&] { return s.call(s.at(id), s.admin); });
       s.world.sql("update report_schedule set source = 'api'");
       s.good(204, {"report_schedule_ended"}, [&] { return s.call(s.at(id), s.admin); });
     }},
    {"POST /api/messages/cancel",
     [](Scene& s) {
       const std::string path(s.row.pattern);
       const auto sent = s.world.queued(s.staff, s.reviewer), draft = s.world.draft(s.staff),
                  others = s.world.draft(s.other), late = s.world.queued(s.staff, s.reviewer);
       s.permit(sent);
       s.world.doubt(late);
       const auto ids = [](std::vector<std::string> all) { return Json{{"ids", std::move(all)}}; };
       s.bad(403, "ROLE", "", [&] { return s.call(s.auditor, ids({draft})); });
       s.bad(403, "NOT_OWN", "", [&] { return s.call(s.staff, ids({draft, others})); });
       s.bad(400, "2001", "", [&] { return s.call(s.staff, ids({"nonsense"})); });
       s.bad(400, "2001", "", [&] { return s.call(s.staff, Json::object()); });
       refuses_bodies(s, path, s.staff);
       s.good(200, {"cancelled", "cancel_requested", "bulk_cancelled"}, [&] {
         return s.call(s.staff, ids({sent, draft, late, kStranger}));
       });
       s.good(200, {"bulk_cancelled"}, [&] { return s.call(s.staff, ids({sent, draft, late, kStranger})); });
     }},
    {"POST /api/messages/{id}/requeue",
     [](Scene& s) {
       const auto id = s.world.queued(s.staff, s.reviewer);
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.doctor); });
       s.bad(409, "NOT_FAILED", id, [&] { return s.call(s.at(id), s.admin); });
       refuses_ids(s, s.admin);
       refuses_bodies(s, s.at(id), s.admin, {}, id);
       s.world.fail(id);
       s.world.sql(
           "insert into suppressions (id, recipient_key, reason, source) select gen_random_uuid(), "
           "recipient_key, 'opted_out', 'x' from message");
       s.bad(409, "RECIPIENT_SUPPRESSED", id, [&] { return s.call(s.at(id), s.admin); });
       s.world.sql("delete from suppressions");
       s.world.sql("update message set expires_at = '2026-11-01'");
       s.bad(409, "EXPIRED", id, [&] { return s.call(s.at(id), s.admin); });
       s.world.sql("update message set expires_at = null, destination = 'nowhere', kind = 2");
       s.bad(409, "NO_ROUTE", id, [&] { return s.call(s.at(id), s.admin); });
       s.world.sql("update message set destination = 'AU', kind = 1");
       s.good(200, {"requeue"}, [&] { return s.call(s.at(id), s.admin); });
       s.world.check_chain(id);
       const auto erased = s.world.queued(s.staff, s.reviewer);
       s.world.fail(erased);
       s.world.sql("delete from content where message_id = '" + erased + "'");
       s.bad(409, "ERASED", erased, [&] { return s.call(s.at(erased), s.admin); });
     }},
    {"POST /api/messages/{id}/resolve",
     [](Scene& s) {
       const auto id = s.world.queued(s.staff, s.reviewer);
       const std::string fail = R"({"decision":"fail","reason":"they never got it"})";
       const std::string resend = R"({"decision":"resend","reason":"they never got it"})";
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.admin, fail); });
       s.bad(409, "NOT_IN_DOUBT", id, [&] { return s.call(s.at(id), s.reviewer, fail); });
       refuses_ids(s, s.reviewer, "NOT_FOUND", fail);
       refuses_bodies(s, s.at(id), s.reviewer, {}, id);
       s.world.doubt(id);
       for (const char* body : {R"({"decision":"fail"})", R"({"decision":"fail","reason":" "})",
                                R"({"decision":"maybe","reason":"x"})", R"({"decision":"delivered","reason":"x"})",
                                R"({"decision":"resend","reason":"x","evidence":{"providerReference":"r"}})"})
         s.bad(400, "2001", id, [&] { return s.call(s.at(id), s.reviewer, body); });
       s.bad(400, "NO_EVIDENCE", id, [&] {
         return s.call(
             s.at(id), s.reviewer,
             Json{{"decision", "delivered"}, {"reason", "x"}, {"evidence", {{"callbackId", kStranger}}}}.dump());
       });
       s.world.sql("update message set cancel_requested = true");
       s.bad(409, "CANCEL_REQUESTED", id, [&] { return s.call(s.at(id), s.reviewer, resend); });
       s.world.sql("update message set cancel_requested = false, expires_at = '2026-11-01'");
       auto& rules = s.world.services.doubt_rules[s.world.sql("select provider from message").text(0, 0)];
       rules.provider_class = DoubtClass::queryable;
       s.bad(409, "BEING_SETTLED", id, [&] { return s.call(s.at(id), s.reviewer, resend); });
       rules = {};
       s.bad(409, "EXPIRED", id, [&] { return s.call(s.at(id), s.reviewer, resend); });
       s.good(200, {"resolve"}, [&] { return s.call(s.at(id), s.reviewer, fail); });
       s.world.check_chain(id);
       const auto letter = s.world.letter(s.staff, s.doctor);
       REQUIRE(s.world.approve(s.doctor, letter).status == 200);
       s.world.doubt(letter);
       s.bad(403, "LETTERS", letter, [&] { return s.call(s.at(letter), s.reviewer, fail); });
       s.good(200, {"resolve"}, [&] { return s.call(s.at(letter), s.second, resend); });
       s.world.check_chain(letter);
     }},
    {"GET /api/queues",
     [](Scene& s) {
       s.good(200, {}, [&] { return s.call("/api/queues", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/queues", s.doctor); });
       refuses_filters(s, s.admin, "");
     }},
    {"POST /api/queues/{priority}/pause", [](Scene& s) { check_pause(s, "bulk"); }},
    {"POST /api/queues/{priority}/resume", [](Scene& s) { check_resume(s, "bulk"); }},
    {"GET /api/providers",
     [](Scene& s) {
       s.good(200, {}, [&] { return s.call("/api/providers", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/providers", s.doctor); });
       refuses_filters(s, s.admin, "");
     }},
    {"POST /api/providers/{name}/pause", [](Scene& s) { check_pause(s, "test"); }},
    {"POST /api/providers/{name}/resume", [](Scene& s) { check_resume(s, "test"); }},
    {"GET /api/suppressions",
     [](Scene& s) {
       s.good(200, {"suppressions_listed"}, [&] { return s.call("/api/suppressions", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/suppressions", s.doctor); });
       refuses_filters(s, s.admin, "?channel=fax");
     }},
    {"POST /api/suppressions/search",
     [](Scene& s) {
       const std::string path(s.row.pattern);
       s.good(200, {"suppressions_listed"}, [&] { return s.call(s.admin, {{"recipientEmail", "a@example.org"}}); });
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, {{"recipientEmail", "a@example.org"}}); });
       s.bad(400, "2001", "", [&] { return s.call(s.admin, Json::object()); });
       refuses_bodies(s, path, s.admin);
     }},
    {"POST /api/suppressions",
     [](Scene& s) {
       const Json body{{"recipientPhone", "+61491570006"}, {"reason", "asked"}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, body); });
       for (const char* bad :
            {R"({"recipientPhone":"+61491570006"})", R"({"reason":"asked"})",
             R"({"recipientPhone":"123","reason":"asked"})", R"({"recipientPhone":"+61491570006","reason":"because"})",
             R"({"recipientPhone":"+61491570006","recipientEmail":"a@b.example","reason":"asked"})"})
         s.bad(400, "2001", "", [&] { return s.call("/api/suppressions", s.admin, bad); });
       refuses_bodies(s, "/api/suppressions", s.admin);
       const auto added = s.good(201, {"suppression_added"}, [&] { return s.call(s.admin, body); });
       s.bad(409, "SUPPRESSED", added.body["id"], [&] { return s.call(s.admin, body); });
     }},
    {"DELETE /api/suppressions/{id}",
     [](Scene& s) {
       const Json body{{"recipientEmail", "a@example.org"}, {"reason", "bounced"}};
       const std::string id = s.world.call("POST", "/api/suppressions", s.admin, body.dump()).body["id"];
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id) + "?reason=asked", s.doctor); });
       s.bad(400, "2001", id, [&] { return s.call(s.at(id), s.admin); });
       s.bad(400, "2001", id, [&] { return s.call(s.at(id) + "?reason=because", s.admin); });
       s.bad(404, "NOT_FOUND", "", [&] { return s.call(s.at("nonsense") + "?reason=asked", s.admin); });
       s.bad(404, "NOT_FOUND", kStranger, [&] { return s.call(s.at(kStranger) + "?reason=asked", s.admin); });
       s.good(204, {"suppression_removed"}, [&] { return s.call(s.at(id) + "?reason=address_works", s.admin); });
     }},
    {"POST /api/message-workflow/delivery-status",
     [](Scene& s) {
       const std::string path(s.row.pattern);
       const Caller gateway = s.world.with_token(s.service, {"delivery:write"});
       const auto id = s.world.queued(s.staff, s.reviewer);
       const auto report = [](const std::string& of, const std::string& reference = "g-1") {
         return Json{{"messageId", of},
                     {"status", "delivered"},
                     {"providerMessageId", reference},
                     {"occurredAt", "2026-11-22T00:00:00Z"}}
             .dump();
       };
       const Headers signed_headers{{"webhook-signature", "v1,good"}, {"webhook-id", "w-1"}};
       s.bad(403, "SCOPE", "", [&] { return s.call(path, s.admin, report(id), signed_headers); });
       refuses_bodies(s, path, gateway, signed_headers);
       s.bad(404, "NOT_FOUND", kStranger, [&] { return s.call(path, gateway, report(kStranger), signed_headers); });
       s.bad(409, "NOT_SENT", id, [&] { return s.call(path, gateway, report(id), signed_headers); });
       s.world.doubt(id);
       s.bad(403, "BAD_SIGNATURE", id, [&] { return s.call(path, gateway, report(id)); });
       s.good(202, {"delivery_reported"}, [&] { return s.call(path, gateway, report(id), signed_headers); });
       const auto other = s.world.queued(s.staff, s.reviewer);
       s.world.doubt(other, "g-2");
       s.bad(409, "OTHER_ID", other, [&] { return s.call(path, gateway, report(other), signed_headers); });
       s.good(202, {"delivery_reported"}, [&] { return s.call(path, gateway, report(other, "g-2"), signed_headers); });
     }},
    {"GET /api/dead-letters",
     [](Scene& s) {
       s.good(200, {"messages_listed"}, [&] { return s.call("/api/dead-letters", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/dead-letters", s.auditor); });
       refuses_filters(s, s.admin, "?kind=fax");
     }},
    {"POST /api/dead-letters/requeue",
     [](Scene& s) {
       s.world.fail(s.world.queued(s.staff, s.reviewer));
       const Json dry{{"dryRun", true}};
       s.bad(403, "ROLE", "", [&] { return s.call(s.doctor, dry); });
       s.bad(400, "2001", "", [&] { return s.call(s.admin, {{"dryRun", false}}); });
       refuses_bodies(s, std::string(s.row.pattern), s.admin);
       const auto found = s.good(200, {"requeue_requested"}, [&] { return s.call(s.admin, dry); });
       Json wanted{{"dryRun", false}, {"asOf", found.body["asOf"]}, {"count", 2}};
       s.bad(409, "COUNT_CHANGED", "", [&] { return s.call(s.admin, wanted); });
       wanted["count"] = 1;
       s.good(202, {"requeue_requested"}, [&] { return s.call(s.admin, wanted); });
     }},
    {"GET /api/status-webhooks",
     [](Scene& s) {
       s.good(200, {"status_webhooks_listed"}, [&] { return s.call("/api/status-webhooks", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/status-webhooks", s.auditor); });
       refuses_filters(s, s.admin, "?state=loud");
     }},
    {"POST /api/status-webhooks/{id}/retry",
     [](Scene& s) {
       const auto id = s.world.dead_notice(s.world.draft(s.service));
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.auditor); });
       refuses_ids(s, s.admin);
       refuses_bodies(s, s.at(id), s.admin, {}, id);
       s.good(200, {"status_notice_retried"}, [&] { return s.call(s.at(id), s.admin); });
       s.bad(409, "NOT_DEAD", id, [&] { return s.call(s.at(id), s.admin); });
     }},
    {"GET /api/alerts",
     [](Scene& s) {
       s.good(200, {"alerts_listed"}, [&] { return s.call("/api/alerts", s.admin); });
       s.bad(403, "ROLE", "", [&] { return s.call("/api/alerts", s.auditor); });
       refuses_filters(s, s.admin, "?state=loud");
     }},
    {"POST /api/alerts",
     [](Scene& s) {
       static const Receivers receivers{{{"on-call", "oncall@example.org", "", {}}}, {}, {}};
       s.world.services.receivers = &receivers;
       s.bad(403, "ROLE", "", [&] { return s.call(s.auditor, {{"receiver", "on-call"}}); });
       s.bad(400, "2001", "", [&] { return s.call(s.admin, {{"receiver", "nobody"}}); });
       refuses_bodies(s, "/api/alerts", s.admin);
       s.good(201, {"alert_tested"}, [&] { return s.call(s.admin, {{"receiver", "on-call"}}); });
     }},
    {"POST /api/alerts/{id}/acknowledge",
     [](Scene& s) {
       const auto id = s.world.ids.next().text();
       s.world.sql("insert into alert (id, rule, subject, count, first_at, last_at) values ('" + id +
                   "', 'stuck', '', 1, now(), now())");
       s.bad(403, "ROLE", id, [&] { return s.call(s.at(id), s.auditor); });
       refuses_ids(s, s.admin);
       refuses_bodies(s, s.at(id), s.admin, {}, id);
       s.good(200, {"alert_acknowledged"}, [&] { return s.call(s.at(id), s.admin); });
       s.bad(409, "NOT_OPEN", id, [&] { return s.call(s.at(id), s.admin); });
     }},
};

// What no row's own code decides: who is not known, who may only read, and what may come from another site.
void check_gate(Scene& s) {
  const std::string path = s.at(kStranger);
  s.bad_with(401, {}, {}, [&] { return s.call(path, {}); });
  s.bad_with(401, {}, {}, [&] { return s.call(path, {{}, "sgn_short"}); });
  s.bad(401, "UNAUTHORIZED", "", [&] { return s.call(path, {{}, kUnknownToken}); });
  if (s.row.method == "GET") return;
  const Caller reader = s.world.with_token(s.admin, {"read"});
  s.bad(403, "SCOPE", "", [&] { return s.call(path, reader, "{}"); });
  Caller session = s.session_of(s.admin);
  session.csrf.clear();
  s.bad(403, "FORGED", "", [&] { return s.call(path, session, "{}"); });
}

TEST_CASE("each route and outcome writes exactly its entry, and a refusal nothing else") {
  const auto rows = admin_routes();
  std::set<std::string> known;
  for (const auto& row : rows) known.insert(key_of(row));
  for (const auto& [key, script] : kScripts) {
    INFO(key);
    CHECK(known.contains(key));  // else the script is of a route that is gone
  }
  for (const auto& row : rows) {
    DYNAMIC_SECTION(key_of(row)) {
      const auto script = kScripts.find(key_of(row));
      if (script == kScripts.end()) FAIL("This route has no script in tests/daemon/api/records_test.cc: write one.");
      World world;
      Scene scene{world, row};
      script->second(scene);
      const std::set<std::string> named(row.records.begin(), row.records.end());
      CHECK(named.empty() == kSilent.contains(key_of(row)));
      for (const auto& action : named) {
        INFO(action << " is in the row's records, but no outcome here writes it");
        CHECK(scene.seen.contains(action));
      }
      for (const auto& action : scene.seen) {
        INFO(action << " is written, but not in the row's records");
        CHECK((named.contains(action) || action == "key_enrolled"));
      }
      if (row.access == Access::caller) check_gate(scene);
    }
  }
}

TEST_CASE("at no address there is nothing to record, and nobody is looked up") {
  World world;
  const Caller admin = world.user(Role::admin);
  CHECK(world.call("GET", "/api/nothing", admin).status == 404);
  CHECK(world.call("GET", "/api/messages/x/nothing", {{}, kUnknownToken}).status == 404);
  CHECK(world.call("PUT", "/api/messages", admin).status == 405);
  CHECK(world.call("OPTIONS", "/api/messages", admin).status == 204);
  CHECK(world.count("audit.entry") == 0);
}

TEST_CASE("a callback leaves an entry when it is applied, and a forged one at once") {
  World world;
  CHECK(world.callback("other", "x").status == 404);
  CHECK(world.callback("test", "broken 1 r delivered e").status == 400);
  CHECK(world.callback("test", "- 0 r delivered e").status == 204);
  CHECK(world.count("audit.entry") == 0);
  CHECK(world.callback("test", "- 0 r delivered e", "bad").status == 403);
  CHECK(world.new_actions() == Actions{"callback_refused"});
}

TEST_CASE("these tests find the row of an address, and see what changed") {
  World world;
  const Caller staff = world.user(Role::staff);
  const RouteRow* row = world.row_of("GET", "/api/messages/" + std::string(kStranger));
  REQUIRE(row != nullptr);
  CHECK(row->name == "read");
  CHECK(world.row_of("HEAD", "/healthz")->name == "health");
  CHECK(world.row_of("POST", "/api/messages/search")->name == "search_messages");
  CHECK(world.row_of("GET", "/api/messages/a/b/c") == nullptr);
  CHECK(world.row_of("GET", "/api/nothing") == nullptr);
  CHECK(contents_of(world) == contents_of(world));
  const auto before = contents_of(world);
  (void)world.draft(staff);
  CHECK_FALSE(contents_of(world) == before);
}

}  // namespace
}  // namespace signet::api
