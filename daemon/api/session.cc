// Logging in and out, showing again who one is, and what sessions there are.
#include <nlohmann/json.hpp>

#include "daemon/access/log_in.h"
#include "daemon/access/sessions.h"
#include "daemon/api/events.h"
#include "daemon/api/gate.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "store/sessions.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kEmailOctetsMax = 320;
constexpr size_t kPasswordOctetsMax = 1024;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Seconds from now, as the cookie's session sees it: the idle limit or the absolute one, whichever comes first.
std::string session_json(const Context& context, const UserRow& user, const SessionRow& session,
                         std::string_view session_id) {
  const WallTime expires{std::min(session.expires_at.us, session.last_seen_at.us + kSessionIdleUs)};
  const auto& stepped_up_at = session.stepped_up_at;
  const bool is_fresh = stepped_up_at && context.services.clock.wall().us - stepped_up_at->us < kStepUpUs;
  return text_of(
      Json{{"user", {{"id", user.id.text()}, {"name", user.name}, {"email", user.email}, {"role", name(user.role)}}},
           {"id", session.id.text()},
           {"expiresAt", rfc3339(expires)},
           {"endsAt", rfc3339(session.expires_at)},
           {"steppedUpUntil", is_fresh ? Json(rfc3339({stepped_up_at->us + kStepUpUs})) : Json(nullptr)},
           {"csrfToken", csrf_token(session_id)}});
}

Event session_event(const Context& context, std::string action, const Uuid& id, std::string type = "session") {
  Event event = new_event(context, std::move(action));
  event.object.type = std::move(type);
  event.object.id = id.text();
  return event;
}

void write(Context& context, Event event, const Uuid& object_id) {
  context.must(insert_entry(context.tx(), beside(std::move(event), object_id)));
}

void write_lockout(Context& context, const LogInResult& result) {
  if (!result.has_locked) return;
  Event event = session_event(context, "lockout", result.user_id, "user");
  event.detail = {{"failures", int64_t{result.failures}},
                  {"until", rfc3339({context.services.clock.wall().us + kLockUs})}};
  write(context, std::move(event), result.user_id);
}

struct Credentials {
  std::string email;
  Secret password;
};

Credentials read_credentials(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("email", "write the e-mail address of your account");
  members.require("password", "write your password");
  Credentials out;
  out.email = members.text("email", kEmailOctetsMax).value_or("");
  out.password = Secret(members.text("password", kPasswordOctetsMax).value_or(""));
  members.finish();
  context.refuse_faults(body.faults);
  return out;
}

// Once the database has answered: a request that runs again since its connection was dead is counted once.
void count_account(Context& context, const std::string& account) {
  if (!context.services.limits) return;
  context.must(lock_account(context.tx(), account));
  const RateVerdict verdict = context.services.limits->take(RateClass::log_in, account);
  if (verdict.answer.is_allowed) return;
  try {
    refuse_throttled(context, "log_in", "account " + account);
  } catch (Left& left) {
    left.response.headers.emplace_back("Retry-After", std::to_string(verdict.retry_after_s()));
    throw;
  }
}

// Whatever the reason, the same words: only the log tells.
http::Response refuse_log_in(Context& context, const LogInResult& result) {
  Event event = session_event(context, "login_refused", result.user_id, "user");
  if (result.user_id.is_nil()) event.object.id.clear();
  event.reason_code = result.reason;
  event.detail = {{"known", !result.user_id.is_nil()}, {"method", std::string("password")}};
  if (result.failures > 0) event.detail.emplace_back("failures", int64_t{result.failures});
  write(context, std::move(event), result.user_id);
  write_lockout(context, result);
  context.commit();
  http::Response response =
      answer(context.request, {.code = Code::unauthorized,
                               .title = "E-mail address or password is wrong, or the account is locked for a while",
                               .detail = "Check both. Each miss makes the next try wait longer; after ten in a row it "
                                         "takes 15 minutes, or an administrator who unlocks the account."});
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"signet\"");
  return response;
}

Secret read_password_again(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("password", "write your password");
  Secret password(members.text("password", kPasswordOctetsMax).value_or(""));
  members.finish();
  context.refuse_faults(body.faults);
  return password;
}

}  // namespace

http::Response post_session(Context& context) {
  context.only_query({});
  const auto& services = context.services;
  const Credentials given = read_credentials(context);
  count_account(context, account_key(services.keyring.index_key(), given.email));
  const WallTime now = services.clock.wall();
  const LogInResult result = context.must(
      check_log_in(context.tx(), *services.passwords, services.keyring.index_key(), given.email, given.password, now));
  if (!result.is_right) return refuse_log_in(context, result);
  // Another id for another session: what a cookie held before log-in is worth nothing after it.
  if (const auto before = session_of(context.request)) {
    auto known = context.must(
        find_session_principal(context.tx(), view(session_digest(*before)), now, WallTime{now.us - kSessionIdleUs}));
    if (known) context.must(revoke_session(context.tx(), known->session->id, now));
  }
  const Secret id = make_session_id(services.random);
  SessionRow session;
  session.id = services.ids.next();
  session.user_id = result.user_id;
  session.created_at = session.last_seen_at = now;
  session.expires_at = {now.us + kSessionUs};
  session.ip = context.request.peer_address;
  context.must(insert_session(context.tx(), session, view(session_digest(id.octets()))));
  auto principal = context.must(
      find_session_principal(context.tx(), view(session_digest(id.octets())), now, WallTime{now.us - kSessionIdleUs}));
  if (!principal) context.fail({ErrorCode::conflict, "the user was disabled at this moment"});
  const UserRow user = principal->user;
  context.called_by(std::move(*principal));
  Event event = session_event(context, "login", session.id);
  event.detail = {{"method", std::string("password")}};
  write(context, std::move(event), session.id);
  context.commit();
  http::Response response = http::json(200, session_json(context, user, session, id.octets()));
  response.headers.emplace_back("Set-Cookie", session_cookie(id));
  return response;
}

http::Response get_session(Context& context) {
  context.only_query({});
  const Principal& who = context.principal();
  if (!who.session)
    context.refuse({.code = Code::not_found,
                    .title = "You came with a token, not with a session",
                    .detail = "GET /api/me says who you are."});
  context.commit();
  return http::json(200, session_json(context, who.user, *who.session, *session_of(context.request)));
}

http::Response delete_session(Context& context) {
  context.only_query({});
  const Principal& who = context.principal();
  if (!who.session)
    context.refuse({.code = Code::not_found,
                    .title = "You came with a token, not with a session",
                    .detail = "An administrator revokes tokens: DELETE /api/tokens/{id}."});
  context.must(revoke_session(context.tx(), who.session->id, context.services.clock.wall()));
  write(context, session_event(context, "logout", who.session->id), who.session->id);
  context.commit();
  http::Response response;
  response.status = 204;
  response.headers.emplace_back("Set-Cookie", ended_cookie());
  response.headers.emplace_back("Clear-Site-Data", "\"cache\", \"storage\"");
  return response;
}

http::Response post_step_up(Context& context) {
  context.only_query({});
  const auto& services = context.services;
  const Secret password = read_password_again(context);
  const Principal& who = context.principal();
  if (!who.session)
    context.refuse({.code = Code::not_found,
                    .title = "You came with a token, not with a session",
                    .detail = "A token signs if it has the scope `approve`."});
  const WallTime now = services.clock.wall();
  SessionRow session = *who.session;
  context.concerns(session.id, "session");
  const LogInResult result = context.must(check_again(context.tx(), *services.passwords, services.keyring.index_key(),
                                                      who.user.email, who.user.id, password, now));
  Event event = session_event(context, result.is_right ? "step_up" : "step_up_refused", session.id);
  event.detail = {{"method", std::string("password")}};
  if (!result.is_right) {
    event.reason_code = result.reason;
    if (result.failures > 0) event.detail.emplace_back("failures", int64_t{result.failures});
    write(context, std::move(event), session.id);
    write_lockout(context, result);
    context.commit();
    return answer(context.request, {.code = Code::wrong_password});
  }
  const Secret id = make_session_id(services.random);
  context.must(step_up_session(context.tx(), session.id, view(session_digest(id.octets())), now));
  session.stepped_up_at = session.last_seen_at = now;
  write(context, std::move(event), session.id);
  context.commit();
  http::Response response = http::json(200, session_json(context, who.user, session, id.octets()));
  response.headers.emplace_back("Set-Cookie", session_cookie(id));
  return response;
}

http::Response get_sessions(Context& context) {
  context.only_query({"userId"});
  const WallTime now = context.services.clock.wall();
  const Uuid user_id = whose(context);
  const auto rows = context.must(list_sessions(context.tx(), user_id, now, WallTime{now.us - kSessionIdleUs}));
  std::vector<std::string> items;
  for (const auto& row : rows)
    items.push_back(
        text_of(Json{{"id", row.id.text()},
                     {"userId", row.user_id.text()},
                     {"createdAt", rfc3339(row.created_at)},
                     {"lastSeenAt", rfc3339(row.last_seen_at)},
                     {"endsAt", rfc3339(row.expires_at)},
                     {"ip", row.ip},
                     {"current", context.principal().session && context.principal().session->id == row.id}}));
  Event event = session_event(context, "sessions_listed", user_id, "user");
  event.detail = {{"rows", static_cast<int64_t>(rows.size())}, {"userId", user_id.text()}};
  write(context, std::move(event), user_id);
  context.commit();
  return http::json(200, list_json(items, ""));
}

http::Response delete_one_session(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id, "session");
  const auto row = context.must(read_session(context.tx(), id));
  // Another's is not there, for who may not know.
  if (!row || (row->user_id != context.user_id() && !may(context, Action::administer)))
    context.refuse({.code = Code::not_found, .title = "There is no session with this id"});
  context.must(revoke_session(context.tx(), id, context.services.clock.wall()));
  Event event = session_event(context, "session_revoked", id);
  event.detail = {{"userId", row->user_id.text()}};
  write(context, std::move(event), id);
  context.commit();
  http::Response response;
  response.status = 204;
  return response;
}

http::Response post_password(Context& context) {
  context.only_query({});
  const auto& services = context.services;
  const Principal& who = context.principal();
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("current", "write the password that you have");
  members.require("new", "write the password that you want");
  const Secret current(members.text("current", kPasswordOctetsMax).value_or(""));
  const Secret wanted(members.text("new", kPasswordOctetsMax).value_or(""));
  if (const auto fault = fault_of_password(wanted.octets(), who.user.email); members.has("new") && !fault.empty())
    members.refuse("new", std::string(fault), "choose 12 characters or more, like four words");
  members.finish();
  context.refuse_faults(body.faults);
  const WallTime now = services.clock.wall();
  context.concerns(who.user.id, "user");
  const LogInResult result = context.must(check_again(context.tx(), *services.passwords, services.keyring.index_key(),
                                                      who.user.email, who.user.id, current, now));
  if (!result.is_right) {
    Event event = session_event(context, "refused", who.user.id, "user");
    event.reason_code = result.reason;
    event.detail = {{"attempted", std::string("change_password")}, {"status", int64_t{403}}};
    write(context, std::move(event), who.user.id);
    write_lockout(context, result);
    context.commit();
    return answer(context.request, {.code = Code::wrong_password});
  }
  const std::string hash = context.must(services.passwords->hash(wanted));
  context.must(set_password(context.tx(), who.user.id, hash));
  const int64_t ended = context.must(
      revoke_sessions(context.tx(), who.user.id, who.session ? std::optional(who.session->id) : std::nullopt, now));
  Event event = session_event(context, "password_changed", who.user.id, "user");
  event.detail = {{"reset", false}, {"sessionsRevoked", ended}, {"userId", who.user.id.text()}};
  write(context, std::move(event), who.user.id);
  context.commit();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace signet::api
