// The providers of the configuration with what each daemon sees of them, and stopping one for all daemons.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/api/handlers.h"
#include "daemon/api/pausing.h"
#include "daemon/api/rights.h"
#include "store/provider_health.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

// One that the configuration has, or, to be resumed, one that it had.
std::string provider_of(Context& context, bool or_paused) {
  const std::string& wanted = context.path("name");
  if (context.services.providers.contains(wanted)) return wanted;
  if (or_paused) {
    const auto pauses = context.must(list_pauses(context.tx()));
    if (std::any_of(pauses.begin(), pauses.end(),
                    [&](const PauseRow& row) { return row.scope == PauseScope::provider && row.name == wanted; }))
      return wanted;
  }
  context.refuse({.code = Code::not_found,
                  .title = "There is no provider of this name",
                  .detail = "GET /api/providers names those of the configuration."});
}

Json health_json(const SeenHealth& seen) {
  return {{"instance", seen.instance},
          {"breaker", name(seen.breaker)},
          {"reason", seen.reason.empty() ? Json(nullptr) : Json(seen.reason)},
          {"since", rfc3339(seen.since)},
          {"attempts", seen.attempts},
          {"errors", seen.errors},
          {"inUse", seen.in_use},
          {"inFlight", seen.in_flight},
          {"pausedUntil", seen.paused_until ? Json(rfc3339(*seen.paused_until)) : Json(nullptr)},
          {"seenAt", rfc3339(seen.seen_at)}};
}

}  // namespace

http::Response get_providers(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  const auto health = context.must(read_health(context.tx()));
  const auto pauses = context.must(list_pauses(context.tx()));
  Json items = Json::array();
  for (const auto& [provider, adapter] : context.services.providers) {
    Json daemons = Json::array();
    for (const auto& seen : health)
      if (seen.provider == provider) daemons.push_back(health_json(seen));
    const auto text_max = adapter->text_max();
    items.push_back({{"name", provider},
                     {"callbackWay", name(adapter->callback_way())},
                     {"textMax", text_max == 0 ? Json(nullptr) : Json(text_max)},
                     {"pause", Json::parse(pause_json(pauses, PauseScope::provider, provider))},
                     {"daemons", std::move(daemons)}});
  }
  return http::json(200, Json{{"items", std::move(items)}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

http::Response post_pause_provider(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  return pause(context, PauseScope::provider, provider_of(context, false));
}

http::Response post_resume_provider(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  return resume(context, PauseScope::provider, provider_of(context, true));
}

}  // namespace signet::api
