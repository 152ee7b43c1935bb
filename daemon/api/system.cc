// How the daemon is, and who the caller is to it.
#include <nlohmann/json.hpp>

#include "daemon/api/handlers.h"
#include "daemon/api/openapi.h"
#include "message/policy.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr Role kRoles[] = {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service};

}  // namespace

http::Response get_health(Context&) { return http::json(200, "{\"status\":\"ok\"}"); }

http::Response get_readiness(Context& context) {
  bool is_ready = true;
  Json dependencies = Json::array();
  if (context.services.readiness) {
    for (const auto& dependency : context.services.readiness()) {
      is_ready = is_ready && (dependency.is_ready || !dependency.is_required);
      Json row{{"name", dependency.name}, {"ready", dependency.is_ready}, {"required", dependency.is_required}};
      if (!dependency.text.empty()) row["detail"] = dependency.text;
      dependencies.push_back(std::move(row));
    }
  }
  const Json out{{"ready", is_ready}, {"instance", context.services.instance}, {"dependencies", dependencies}};
  http::Response response = http::json(is_ready ? 200 : 503, out.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!is_ready) response.headers.emplace_back("Retry-After", "2");
  return response;
}

http::Response get_openapi(Context&) { return http::json(200, std::string(openapi_json())); }

http::Response get_metrics(Context& context) {
  context.commit();
  http::Response response = http::text(200, context.services.metrics ? context.services.metrics() : "");
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

http::Response get_me(Context& context) {
  context.only_query({});
  const Principal& who = context.principal();
  Json may = Json::object();
  for (const Action action : all_actions()) may[std::string(name(action))] = name(grant(who.user.role, action));
  Json out{
      {"id", who.user.id.text()}, {"name", who.user.name}, {"email", who.user.email}, {"role", name(who.user.role)}};
  if (who.session)
    out["session"] = {{"id", who.session->id.text()}, {"endsAt", rfc3339(who.session->expires_at)}};
  else
    out["token"] = {{"id", who.token.id.text()},
                    {"scopes", who.token.scopes},
                    {"expiresAt", who.token.expires_at ? Json(rfc3339(*who.token.expires_at)) : Json(nullptr)}};
  out["contentOpen"] = who.is_content_open;
  out["maySign"] = context.may_sign();
  out["may"] = std::move(may);
  context.commit();
  return http::json(200, out.dump(-1, ' ', false, Json::error_handler_t::replace));
}

http::Response get_policy(Context& context) {
  context.only_query({});
  Json table = Json::array();
  for (const Action action : all_actions()) {
    Json row{{"action", name(action)}};
    for (const Role role : kRoles) row[std::string(name(role))] = name(grant(role, action));
    table.push_back(std::move(row));
  }
  Json roles = Json::array();
  for (const Role role : kRoles) roles.push_back(name(role));
  context.commit();
  return http::json(200, Json{{"policyId", kPolicyId}, {"roles", roles}, {"actions", table}}.dump());
}

}  // namespace signet::api
