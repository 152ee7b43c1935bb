#include "message/route.h"

#include <algorithm>

namespace signet {
namespace {

bool is_match(const Route& route, Kind kind, std::string_view destination, const std::vector<std::string>& tags) {
  if (route.kind != kind) return false;
  if (!route.destinations.empty() &&
      std::find(route.destinations.begin(), route.destinations.end(), destination) == route.destinations.end())
    return false;
  return route.tags.empty() || std::any_of(route.tags.begin(), route.tags.end(), [&](const std::string& tag) {
           return std::find(tags.begin(), tags.end(), tag) != tags.end();
         });
}

// Numbered within its kind, so that a change in another kind's routes moves no lane.
std::string lane_name(const std::vector<Route>& routes, const Route& route) {
  int number = 1;
  for (const auto& other : routes) {
    if (&other == &route) break;
    if (other.kind == route.kind) number++;
  }
  std::string out(name(route.kind));
  return number == 1 ? out : out + '-' + std::to_string(number);
}

}  // namespace

std::optional<std::string> Routes::lane(Kind kind, std::string_view destination,
                                        const std::vector<std::string>& tags) const {
  for (const auto& route : routes_)
    if (is_match(route, kind, destination, tags)) return lane_name(routes_, route);
  return std::nullopt;
}

const Route* Routes::route(std::string_view lane) const {
  for (const auto& route : routes_)
    if (lane_name(routes_, route) == lane) return &route;
  return nullptr;
}

std::vector<std::string> Routes::lanes() const {
  std::vector<std::string> out;
  for (const auto& route : routes_) out.push_back(lane_name(routes_, route));
  return out;
}

}  // namespace signet
