// Bearer tokens, for administrators. Each is shown once.
#include "daemon/access/tokens.h"

#include <nlohmann/json.hpp>

#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "store/directory.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

Json token_json(const TokenRow& token) {
  return Json{{"id", token.id.text()},
              {"userId", token.user_id.text()},
              {"scopes", token.scopes},
              {"expiresAt", token.expires_at ? Json(rfc3339(*token.expires_at)) : Json(nullptr)},
              {"lastUsedAt", token.last_used_at ? Json(rfc3339(*token.last_used_at)) : Json(nullptr)},
              {"revoked", token.is_revoked}};
}

void write(Context& context, std::string action, const Uuid& token_id,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "token";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), token_id)));
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

}  // namespace

http::Response get_tokens(Context& context) {
  context.only_query({"userId"});
  must_be_allowed(context, Action::administer);
  const auto user_id = context.request.query("userId") ? std::optional(whose(context)) : std::nullopt;
  const auto rows = context.must(list_tokens(context.tx(), user_id));
  std::vector<std::string> items;
  for (const auto& row : rows) items.push_back(token_json(row).dump());
  std::vector<std::pair<std::string, DetailValue>> detail{{"rows", static_cast<int64_t>(rows.size())}};
  if (user_id) detail.emplace_back("userId", user_id->text());
  write(context, "tokens_listed", {}, std::move(detail));
  context.commit();
  return http::json(200, list_json(items, ""));
}

http::Response post_tokens(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const auto& services = context.services;
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("userId", "write the id of the user whose token it will be");
  const auto user_id = members.id("userId");
  TokenRow row;
  row.scopes = members.labels("scopes", 3, 32, ":");
  for (const auto& scope : row.scopes)
    if (!is_scope(scope)) members.refuse("scopes", "has an unknown scope", "write approve, delivery:write or read");
  row.expires_at = members.time("expiresAt");
  if (row.expires_at && *row.expires_at <= services.clock.wall())
    members.refuse("expiresAt", "has passed", "write a time that lies ahead, or leave it out");
  members.finish();
  context.refuse_faults(body.faults);
  const auto user = context.must(lock_user(context.tx(), *user_id));
  if (!user || user->is_disabled)
    context.refuse({.code = Code::not_found, .title = "There is no user with this id, or not enabled"});
  const Secret token = make_token(services.random);
  row.id = services.ids.next();
  row.user_id = user->id;
  context.must(insert_token(context.tx(), row, view(token_digest(token.octets()))));
  std::vector<std::pair<std::string, DetailValue>> detail{{"userId", row.user_id.text()}};
  if (!row.scopes.empty()) detail.emplace_back("scopes", joined(row.scopes));
  if (row.expires_at) detail.emplace_back("expiresAt", rfc3339(*row.expires_at));
  write(context, "token_created", row.id, std::move(detail));
  Json out = token_json(row);
  out["token"] = std::string(token.octets());
  http::Response response = http::json(201, out.dump());
  // The token itself is stored nowhere: a repeat makes no other, and does not show it again either.
  out["token"] = nullptr;
  const http::Response kept = http::json(201, out.dump());
  return context.commit(std::move(response), kept);
}

http::Response delete_token(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const Uuid id = context.path_id();
  context.concerns(id, "token");
  const auto row = context.must(read_token(context.tx(), id));
  if (!row) context.refuse({.code = Code::not_found, .title = "There is no token with this id"});
  context.must(revoke_token(context.tx(), id, context.services.clock.wall()));
  write(context, "token_revoked", id, {{"userId", row->user_id.text()}});
  context.commit();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace signet::api
