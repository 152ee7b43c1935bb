#include "daemon/api/pausing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/api/events.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

// Closed, since the audit log takes no text that somebody typed.
constexpr std::string_view kReasons[] = {"content", "cost", "incident", "maintenance", "provider_fault", "test"};

std::optional<std::string_view> parse_reason(std::string_view text) {
  const auto found = std::find(std::begin(kReasons), std::end(kReasons), text);
  return found == std::end(kReasons) ? std::nullopt : std::optional(*found);
}

void write(Context& context, const char* action, const PauseRow& row) {
  Event event = new_event(context, action);
  event.object.type = row.scope == PauseScope::priority ? "queue" : "provider";
  event.reason_code = row.reason;
  event.detail = {{"scope", std::string(name(row.scope))}, {"target", row.name}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
}

// What holds afterwards.
http::Response answer_with(Context& context, PauseScope scope, const std::string& name) {
  const auto all = context.must(list_pauses(context.tx()));
  context.commit();
  return http::json(
      200, Json{{std::string(signet::name(scope)), name}, {"pause", Json::parse(pause_json(all, scope, name))}}.dump());
}

}  // namespace

http::Response pause(Context& context, PauseScope scope, const std::string& name) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("reason", "write why: incident, maintenance, provider_fault, content, cost or test");
  const auto reason = members.word<std::string_view>(
      "reason", parse_reason, {"content", "cost", "incident", "maintenance", "provider_fault", "test"});
  members.finish();
  context.refuse_faults(body.faults);
  const PauseRow row{scope, name, std::string(*reason), context.user_id(), context.services.clock.wall()};
  if (context.must(signet::pause(context.tx(), row))) write(context, "paused", row);
  return answer_with(context, scope, name);
}

http::Response resume(Context& context, PauseScope scope, const std::string& name) {
  context.no_members();
  if (context.must(signet::resume(context.tx(), scope, name))) write(context, "resumed", {scope, name, "", {}, {}});
  return answer_with(context, scope, name);
}

std::string pause_json(const std::vector<PauseRow>& all, PauseScope scope, std::string_view name) {
  for (const auto& row : all)
    if (row.scope == scope && row.name == name)
      return Json{{"reason", row.reason}, {"by", row.by_user.text()}, {"at", rfc3339(row.at)}}.dump();
  return "null";
}

}  // namespace signet::api
