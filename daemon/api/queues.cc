// What waits, by priority and lane, and stopping one priority for all daemons.
#include "store/queue_figures.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/api/handlers.h"
#include "daemon/api/pausing.h"
#include "daemon/api/rights.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

std::string priority_of(Context& context) {
  const auto priority = parse_priority(context.path("priority"));
  if (!priority)
    context.refuse({.code = Code::not_found,
                    .title = "There is no such priority",
                    .detail = "They are critical, high, normal and bulk."});
  return std::string(name(*priority));
}

}  // namespace

http::Response get_queues(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  const auto figures = context.must(read_lane_figures(context.tx()));
  const auto pauses = context.must(list_pauses(context.tx()));
  Json priorities = Json::array(), lanes = Json::array();
  for (const Priority priority : kPriorities) {
    LaneFigures sum;
    for (const auto& lane : figures) {
      if (lane.priority != priority) continue;
      sum.due += lane.due;
      sum.scheduled += lane.scheduled;
      sum.oldest_due_ms = std::max(sum.oldest_due_ms, lane.oldest_due_ms);
    }
    priorities.push_back({{"priority", name(priority)},
                          {"pause", Json::parse(pause_json(pauses, PauseScope::priority, name(priority)))},
                          {"due", sum.due},
                          {"oldestDueMs", sum.oldest_due_ms},
                          {"scheduled", sum.scheduled}});
  }
  for (const auto& lane : figures)
    lanes.push_back({{"priority", name(lane.priority)},
                     {"lane", lane.lane},
                     {"due", lane.due},
                     {"oldestDueMs", lane.oldest_due_ms},
                     {"scheduled", lane.scheduled}});
  return http::json(200, Json{{"priorities", std::move(priorities)}, {"lanes", std::move(lanes)}}.dump());
}

http::Response post_pause_queue(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  return pause(context, PauseScope::priority, priority_of(context));
}

http::Response post_resume_queue(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  return resume(context, PauseScope::priority, priority_of(context));
}

}  // namespace signet::api
