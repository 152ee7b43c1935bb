// Users, for administrators. A change of role acts at the next request, since roles are looked up each time.
#include <nlohmann/json.hpp>

#include "daemon/access/log_in.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "message/phone.h"
#include "store/passwords.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kNameOctetsMax = 256;
constexpr size_t kEmailOctetsMax = 320;
constexpr size_t kPasswordOctetsMax = 1024;

std::string user_json(const Context& context, const UserRow& user) {
  const bool is_locked = user.locked_until && context.services.clock.wall() < *user.locked_until;
  return Json{{"id", user.id.text()},
              {"name", user.name},
              {"email", user.email},
              {"role", name(user.role)},
              {"registration", user.registration},
              {"disabled", user.is_disabled},
              {"mayReadContent", user.may_read_content},
              {"hasPassword", user.has_password},
              {"lockedUntil", is_locked ? Json(rfc3339(*user.locked_until)) : Json(nullptr)},
              {"version", user.version}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

http::Response with_tag(http::Response response, const UserRow& user) {
  response.headers.emplace_back("ETag", '"' + std::to_string(user.version) + '"');
  return response;
}

void write(Context& context, std::string action, const Uuid& user_id,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "user";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), user_id)));
}

UserRow find(Context& context) {
  const Uuid id = context.path_id();
  context.concerns(id, "user");
  auto user = context.must(lock_user(context.tx(), id));
  if (!user) context.refuse({.code = Code::not_found, .title = "There is no user with this id"});
  return std::move(*user);
}

struct UserBody {
  std::optional<std::string> name, email, registration;
  std::optional<Role> role;
  std::optional<bool> is_disabled, may_read_content;
  std::optional<Secret> password;
};

UserBody read_user_body(Context& context, bool is_new, const std::string& email_before) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  if (is_new) {
    members.require("name", "write what people call them");
    members.require("email", "write their e-mail address");
    members.require("role", "write staff, reviewer, doctor, admin, auditor or service");
  }
  UserBody out;
  out.name = members.text("name", kNameOctetsMax);
  if (out.name && out.name->empty()) members.refuse("name", "is empty", "write what people call them");
  out.email = members.text("email", kEmailOctetsMax);
  if (out.email && !parse_mail_address(*out.email))
    members.refuse("email", "is not a valid e-mail address", "write it as name@domain");
  out.registration = members.text("registration", kNameOctetsMax);
  out.role = members.word<Role>("role", parse_role, {"staff", "reviewer", "doctor", "admin", "auditor", "service"});
  out.may_read_content = members.flag("mayReadContent");
  if (!is_new) out.is_disabled = members.flag("disabled");
  if (const auto password = members.text("password", kPasswordOctetsMax)) {
    const auto fault = fault_of_password(*password, out.email.value_or(email_before));
    if (!fault.empty()) members.refuse("password", std::string(fault), "choose 12 characters or more, like four words");
    out.password = Secret(*password);
  }
  members.finish();
  context.refuse_faults(body.faults);
  return out;
}

void refuse_taken(Context& context) {
  context.refuse({.code = Code::status_conflict,
                  .title = "There is a user with this e-mail address already",
                  .detail = "GET /api/users lists them; a disabled one may be enabled again.",
                  .reason = "EMAIL_TAKEN"});
}

// Two administrators may not take the right from each other, or from themselves: somebody always is left.
void check_administrators(Context& context, const UserRow& before, const UserRow& after) {
  const bool is_changed = before.role != after.role || before.is_disabled != after.is_disabled;
  if (!is_changed) return;
  if (before.id == context.user_id())
    context.refuse({.code = Code::forbidden,
                    .title = "You may not change your own role or disable yourself",
                    .detail = "Ask another administrator.",
                    .reason = "OWN_ROLE"});
  const auto administrators = context.must(lock_administrators(context.tx()));
  const auto is_one = [&](const Uuid& id) {
    return std::find(administrators.begin(), administrators.end(), id) != administrators.end();
  };
  if (!is_one(context.user_id()))  // meanwhile
    context.refuse({.code = Code::forbidden, .reason = "ROLE"});
  if (is_one(before.id) && administrators.size() < 2)
    context.refuse({.code = Code::status_conflict,
                    .title = "This is the last administrator",
                    .detail = "Make somebody else one first.",
                    .reason = "LAST_ADMINISTRATOR"});
}

void note(std::string& members, const char* name, bool is_changed) {
  if (is_changed) members += (members.empty() ? "" : ",") + std::string(name);
}

}  // namespace

http::Response get_users(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const auto users = context.must(list_users(context.tx()));
  std::vector<std::string> items;
  for (const auto& user : users) items.push_back(user_json(context, user));
  write(context, "users_listed", {}, {{"rows", static_cast<int64_t>(users.size())}});
  context.commit();
  return http::json(200, list_json(items, ""));
}

http::Response get_user(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const UserRow user = find(context);
  write(context, "users_listed", user.id, {{"rows", int64_t{1}}});
  context.commit();
  return with_tag(http::json(200, user_json(context, user)), user);
}

http::Response post_users(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const UserBody given = read_user_body(context, true, "");
  UserRow user;
  user.id = context.services.ids.next();
  user.name = *given.name;
  user.email = *given.email;
  user.registration = given.registration.value_or("");
  user.role = *given.role;
  user.may_read_content = given.may_read_content.value_or(false);
  user.has_password = given.password.has_value();
  if (context.must(find_user(context.tx(), user.email))) refuse_taken(context);
  context.must(insert_user(context.tx(), user));
  if (given.password)
    context.must(set_password(context.tx(), user.id, context.must(context.services.passwords->hash(*given.password))));
  write(context, "user_created", user.id, {{"role", std::string(name(user.role))}});
  http::Response response = with_tag(http::json(201, user_json(context, user)), user);
  response.headers.emplace_back("Location", "/api/users/" + user.id.text());
  return context.commit(std::move(response));
}

http::Response patch_user(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const UserRow before = find(context);
  if (before.id == kSystemUser)
    context.refuse({.code = Code::forbidden,
                    .title = "This is the daemon's own",
                    .detail = "Nobody logs in as the author of reports and alerts.",
                    .reason = "SYSTEM_USER"});
  if (!context.request.header("if-match"))
    context.refuse({.code = Code::precondition_required,
                    .detail = "Send the header If-Match with the ETag of the user as you read it."});
  const UserBody given = read_user_body(context, false, before.email);
  context.check_version(before.version, true);
  UserRow user = before;
  if (given.name) user.name = *given.name;
  if (given.email) user.email = *given.email;
  if (given.registration) user.registration = *given.registration;
  if (given.role) user.role = *given.role;
  if (given.is_disabled) user.is_disabled = *given.is_disabled;
  if (given.may_read_content) user.may_read_content = *given.may_read_content;
  check_administrators(context, before, user);
  if (!user.is_disabled) {
    const auto other = context.must(find_user(context.tx(), user.email));
    if (other && other->id != user.id) refuse_taken(context);
  }
  context.must(update_user(context.tx(), user));
  user.version++;
  const bool is_closed = (user.is_disabled && !before.is_disabled) || given.password;
  const int64_t ended =
      is_closed ? context.must(revoke_sessions(context.tx(), user.id, std::nullopt, context.services.clock.wall())) : 0;
  std::string members;
  note(members, "name", user.name != before.name);
  note(members, "email", user.email != before.email);
  note(members, "registration", user.registration != before.registration);
  note(members, "disabled", user.is_disabled != before.is_disabled);
  note(members, "mayReadContent", user.may_read_content != before.may_read_content);
  const bool is_role_changed = user.role != before.role;
  if (is_role_changed)
    write(context, "role_changed", user.id,
          {{"from", std::string(name(before.role))}, {"to", std::string(name(user.role))}});
  if (given.password) {
    context.must(set_password(context.tx(), user.id, context.must(context.services.passwords->hash(*given.password))));
    user.has_password = true;
    user.locked_until.reset();
    write(context, "password_changed", user.id,
          {{"reset", true}, {"sessionsRevoked", ended}, {"userId", user.id.text()}});
  }
  if (!members.empty() || (!is_role_changed && !given.password))
    write(context, "user_changed", user.id,
          {{"disabled", user.is_disabled}, {"members", members}, {"sessionsRevoked", ended}});
  context.commit();
  return with_tag(http::json(200, user_json(context, user)), user);
}

http::Response post_unlock(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  UserRow user = find(context);
  PasswordRow row;
  row.user_id = user.id;
  context.must(note_attempts(context.tx(), row));
  user.locked_until.reset();
  write(context, "unlocked", user.id, {{"userId", user.id.text()}});
  context.commit();
  return with_tag(http::json(200, user_json(context, user)), user);
}

}  // namespace signet::api
