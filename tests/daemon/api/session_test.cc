// Logging in, sessions, step-up, and what keeps others out.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/bytes.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Actions = std::vector<std::string>;

constexpr char kPassword[] = "correct horse battery staple";
constexpr int64_t kMinuteMs = 60'000;

std::string credentials(const std::string& email, const std::string& password) {
  return Json{{"email", email}, {"password", password}}.dump();
}

TEST_CASE("who logs in gets a session, and the log says so") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const auto answer = world.call("POST", "/api/session", {}, credentials(doctor.email, kPassword));
  INFO(answer.raw.body << world.log.all());
  REQUIRE(answer.status == 200);
  CHECK(answer.body["user"]["id"] == doctor.id.text());
  CHECK(answer.body["csrfToken"].get<std::string>().size() == 43);
  const std::string cookie = answer.header("Set-Cookie");
  CHECK(cookie.starts_with("__Host-signet="));
  CHECK(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"));
  CHECK(answer.raw.body.find(cookie.substr(14, 43)) == std::string::npos);
  CHECK(world.new_actions() == Actions{"login"});
  const Json event = world.last_event("login");
  CHECK(event["actor"]["id"] == doctor.id.text());
  CHECK(event["actor"]["session"] == answer.body["id"]);
  // What the cookie holds is stored nowhere.
  CHECK(world.count("sessions where sha256 = sha256('" + cookie.substr(14, 43) + "')") == 1);
}

TEST_CASE("a session works like a token, and its actor stands in events by its id") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const Caller session = world.log_in(doctor, kPassword);
  const auto me = world.call("GET", "/api/me", session);
  CHECK(me.status == 200);
  CHECK(me.body["id"] == doctor.id.text());
  CHECK(me.body["maySign"] == false);
  CHECK_FALSE(me.body.contains("token"));
  const std::string id = world.draft(session);
  CHECK(world.events(id).front()["actor"]["session"] == me.body["session"]["id"]);
  const auto shown = world.call("GET", "/api/session", session);
  CHECK(shown.status == 200);
  CHECK(shown.body["csrfToken"] == session.csrf);
}

TEST_CASE("a wrong password, an unknown user, one without a password and one locked get the same answer") {
  World world;
  const Caller known = world.user(Role::doctor), without = world.user(Role::staff), locked = world.user(Role::staff);
  world.set_password(known, kPassword);
  world.set_password(locked, kPassword);
  world.sql("update users set locked_until = '2030-01-01' where id = '" + locked.id.text() + "'");
  auto wrong = world.call("POST", "/api/session", {}, credentials(known.email, "another password"));
  CHECK(wrong.status == 401);
  wrong.body.erase("requestId");
  for (const std::string& email : {std::string("nobody@clinic.example"), without.email, locked.email}) {
    auto other = world.call("POST", "/api/session", {}, credentials(email, kPassword));
    other.body.erase("requestId");
    CHECK(other.status == wrong.status);
    CHECK(other.body == wrong.body);
    CHECK(other.raw.headers == wrong.raw.headers);
    CHECK(other.raw.body.find(email) == std::string::npos);
  }
  CHECK(world.new_actions() == Actions{"login_refused", "login_refused", "login_refused", "login_refused"});
  const auto reasons =
      world.sql("select convert_from(canon, 'UTF8')::json ->> 'reasonCode' from audit.entry order by event_id");
  CHECK(reasons.text(0, 0) == "WRONG_PASSWORD");
  CHECK(reasons.text(1, 0) == "UNKNOWN_USER");
  CHECK(reasons.text(2, 0) == "NO_PASSWORD");
  CHECK(reasons.text(3, 0) == "LOCKED");
}

TEST_CASE("each miss makes the next try wait longer, and ten lock the account for 15 minutes") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const auto attempt = [&](const std::string& password) {
    return world.call("POST", "/api/session", {}, credentials(doctor.email, password)).status;
  };
  CHECK(attempt("wrong password 1") == 401);
  CHECK(attempt(kPassword) == 200);  // one slip costs nothing
  CHECK(attempt("wrong password 1") == 401);
  CHECK(attempt("wrong password 2") == 401);
  CHECK(attempt(kPassword) == 401);  // too early: not even looked at
  CHECK(world.last_event("login_refused")["reasonCode"] == "LOCKED");
  world.clock.advance_ms(1000);
  CHECK(attempt("wrong password 3") == 401);
  world.clock.advance_ms(1999);
  CHECK(attempt(kPassword) == 401);
  for (int i = 4; i <= 10; ++i) {
    world.clock.advance_ms(5 * kMinuteMs);
    CHECK(attempt("wrong password " + std::to_string(i)) == 401);
  }
  CHECK(world.last_event("lockout")["object"]["id"] == doctor.id.text());
  CHECK(world.last_event("lockout")["detail"]["failures"] == 10);
  world.clock.advance_ms(15 * kMinuteMs - 1);
  CHECK(attempt(kPassword) == 401);
  world.clock.advance_ms(1);
  CHECK(attempt(kPassword) == 200);
  CHECK(attempt("wrong password") == 401);
  CHECK(attempt(kPassword) == 200);  // and it begins anew
}

TEST_CASE("an administrator unlocks an account") {
  World world;
  const Caller admin = world.user(Role::admin), doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  world.sql("update users set failed_logins = 10, locked_until = '2030-01-01' where id = '" + doctor.id.text() + "'");
  CHECK(world.call("POST", "/api/session", {}, credentials(doctor.email, kPassword)).status == 401);
  CHECK(world.call("POST", "/api/users/" + doctor.id.text() + "/unlock", doctor).status == 403);
  (void)world.new_actions();
  const auto unlocked = world.call("POST", "/api/users/" + doctor.id.text() + "/unlock", admin);
  CHECK(unlocked.status == 200);
  CHECK(unlocked.body["lockedUntil"].is_null());
  CHECK(world.new_actions() == Actions{"unlocked"});
  CHECK(world.call("POST", "/api/session", {}, credentials(doctor.email, kPassword)).status == 200);
}

TEST_CASE("attempts side by side count one by one") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(
        [&] { (void)world.call("POST", "/api/session", {}, credentials(doctor.email, "wrong password")); });
  for (auto& thread : threads) thread.join();
  // The second miss already makes the others wait, so that they are not looked at.
  CHECK(world.sql("select failed_logins from users where password_hash is not null").number(0, 0) == 2);
  CHECK(world.count("audit.entry") == 4);
}

TEST_CASE("a session is over after 15 minutes without use, and 12 hours after log-in") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  Caller session = world.log_in(doctor, kPassword);
  world.clock.advance_ms(15 * kMinuteMs - 1);
  CHECK(world.call("GET", "/api/me", session).status == 200);
  world.clock.advance_ms(15 * kMinuteMs - 1);
  CHECK(world.call("GET", "/api/me", session).status == 200);
  world.clock.advance_ms(15 * kMinuteMs);
  const auto over = world.call("GET", "/api/me", session);
  CHECK(over.status == 401);
  CHECK(over.header("Set-Cookie").find("Max-Age=0") != std::string::npos);
  session = world.log_in(doctor, kPassword);
  for (int i = 0; i < 71; ++i) {
    world.clock.advance_ms(10 * kMinuteMs);
    REQUIRE(world.call("GET", "/api/me", session).status == 200);
  }
  world.clock.advance_ms(10 * kMinuteMs);
  CHECK(world.call("GET", "/api/me", session).status == 401);
}

TEST_CASE("another id after log-in and step-up: the one before is worth nothing") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const Caller first = world.log_in(doctor, kPassword);
  const auto again = world.call("POST", "/api/session", first, credentials(doctor.email, kPassword));
  REQUIRE(again.status == 200);
  CHECK(world.call("GET", "/api/me", first).status == 401);
  Caller second = first;
  second.session = again.header("Set-Cookie").substr(14, 43);
  second.csrf = again.body["csrfToken"];
  const auto stepped = world.call("POST", "/api/session/step-up", second, Json{{"password", kPassword}}.dump());
  CHECK(stepped.status == 200);
  CHECK(stepped.body["csrfToken"] != second.csrf);
  CHECK(stepped.body["id"] == again.body["id"]);
  CHECK(world.call("GET", "/api/me", second).status == 401);
}

TEST_CASE("who has stepped up may sign for five minutes") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  Caller session = world.log_in(doctor, kPassword);
  CHECK(world.call("GET", "/api/me", session).body["maySign"] == false);
  (void)world.new_actions();
  const auto stepped = world.call("POST", "/api/session/step-up", session, Json{{"password", kPassword}}.dump());
  session.session = stepped.header("Set-Cookie").substr(14, 43);
  session.csrf = stepped.body["csrfToken"];
  CHECK(world.new_actions() == Actions{"step_up"});
  world.clock.advance_ms(5 * kMinuteMs - 1);
  CHECK(world.call("GET", "/api/me", session).body["maySign"] == true);
  world.clock.advance_ms(1);
  CHECK(world.call("GET", "/api/me", session).body["maySign"] == false);
  const auto wrong = world.call("POST", "/api/session/step-up", session, Json{{"password", "wrong"}}.dump());
  CHECK(wrong.status == 403);
  CHECK(wrong.body["code"] == "WRONG_PASSWORD");
  CHECK(world.new_actions() == Actions{"step_up_refused"});
  CHECK(world.sql("select failed_logins from users where id = '" + doctor.id.text() + "'").number(0, 0) == 1);
  CHECK(world.call("GET", "/api/me", world.with_token(doctor, {"approve"})).body["maySign"] == true);
  CHECK(world.call("GET", "/api/me", world.with_token(doctor, {})).body["maySign"] == false);
}

TEST_CASE("what changes anything needs the session's token, and may not come from another site") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const Caller session = world.log_in(doctor, kPassword);
  Caller forged = session;
  forged.csrf.clear();
  CHECK(world.call("GET", "/api/me", forged).status == 200);
  const auto without = world.call("DELETE", "/api/session", forged);
  CHECK(without.status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "FORGED");
  forged.csrf = std::string(43, 'a');
  CHECK(world.call("DELETE", "/api/session", forged).status == 403);
  for (const char* site : {"cross-site", "same-site"})
    CHECK(world.call("DELETE", "/api/session", session, "", {{"sec-fetch-site", site}}).status == 403);
  // Logging in by another site's form would make its victim act as somebody else.
  CHECK(world.call("POST", "/api/session", {}, credentials(doctor.email, kPassword), {{"sec-fetch-site", "cross-site"}})
            .status == 403);
  for (const char* site : {"same-origin", "none"})
    CHECK(world.call("POST", "/api/messages", session, "{}", {{"sec-fetch-site", site}}).status == 400);
  // A token is nothing that a browser sends by itself.
  CHECK(world.call("POST", "/api/messages", doctor, "{}", {{"sec-fetch-site", "cross-site"}}).status == 400);
  (void)world.new_actions();
  const auto ended = world.call("DELETE", "/api/session", session);
  CHECK(ended.status == 204);
  CHECK(world.new_actions() == Actions{"logout"});
  CHECK(world.call("GET", "/api/me", session).status == 401);
}

TEST_CASE("people see their own sessions and end them; administrators all") {
  World world;
  const Caller admin = world.user(Role::admin), doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const Caller here = world.log_in(doctor, kPassword), there = world.log_in(doctor, kPassword);
  const auto own = world.call("GET", "/api/sessions", here);
  REQUIRE(own.body["items"].size() == 2);
  CHECK(own.body["items"][1]["current"] == true);
  const std::string id = own.body["items"][0]["id"];
  CHECK(world.call("GET", "/api/sessions?userId=" + doctor.id.text(), other).status == 403);
  CHECK(world.call("DELETE", "/api/sessions/" + id, other).status == 404);
  CHECK(world.call("GET", "/api/sessions?userId=" + doctor.id.text(), admin).body["items"].size() == 2);
  (void)world.new_actions();
  CHECK(world.call("DELETE", "/api/sessions/" + id, here).status == 204);
  CHECK(world.new_actions() == Actions{"session_revoked"});
  CHECK(world.call("GET", "/api/me", there).status == 401);
  CHECK(world.call("GET", "/api/me", here).status == 200);
}

TEST_CASE("a new password needs the old one, and ends the other sessions") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  world.set_password(doctor, kPassword);
  const Caller here = world.log_in(doctor, kPassword), there = world.log_in(doctor, kPassword);
  const auto change = [&](const std::string& current, const std::string& wanted) {
    return world.call("POST", "/api/me/password", here, Json{{"current", current}, {"new", wanted}}.dump());
  };
  CHECK(change("wrong", "a good new password").status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "WRONG_PASSWORD");
  CHECK(change(kPassword, "short").status == 400);
  CHECK(change(kPassword, doctor.email).status == 400);
  (void)world.new_actions();
  CHECK(change(kPassword, "a good new password").status == 204);
  CHECK(world.new_actions() == Actions{"password_changed"});
  CHECK(world.call("GET", "/api/me", there).status == 401);
  CHECK(world.call("GET", "/api/me", here).status == 200);
  CHECK(world.call("POST", "/api/session", {}, credentials(doctor.email, kPassword)).status == 401);
  CHECK(world.call("POST", "/api/session", {}, credentials(doctor.email, "a good new password")).status == 200);
  CHECK(world.log.all().find("password staple") == std::string::npos);
}

TEST_CASE("a wrong token or session leaves an event by nobody known") {
  World world;
  CHECK(world.call("GET", "/api/me", {{}, "sgn_" + std::string(43, 'a')}).status == 401);
  Caller stranger;
  stranger.session = std::string(43, 'a');
  CHECK(world.call("GET", "/api/messages", stranger).status == 401);
  CHECK(world.new_actions() == Actions{"refused", "refused"});
  const Json event = world.last_event("refused");
  CHECK(event["actor"]["role"] == "anonymous");
  CHECK(event["detail"]["attempted"] == "list_messages");
  CHECK(event["detail"]["status"] == 401);
  // Nothing to know anybody by is nothing to record.
  CHECK(world.call("GET", "/api/me", {}).status == 401);
  CHECK(world.new_actions().empty());
}

}  // namespace
}  // namespace signet::api
