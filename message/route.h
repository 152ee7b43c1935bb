// Which providers a message may go to, and the lane it queues in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "message/message.h"

namespace signet {

struct RouteProvider {
  std::string name;
  int weight = 100;
};
struct Route {  // the first that matches serves; an empty list matches everything
  Kind kind = Kind::sms;
  std::vector<std::string> destinations;  // countries ("AU") or mail domains
  std::vector<std::string> tags;
  std::vector<RouteProvider> providers;
};

class Routes {
 public:
  explicit Routes(std::vector<Route> routes) : routes_(std::move(routes)) {}
  // "sms", "email", ... for a kind's first route, "sms-2" for its second.
  // A lane never holds a part of an address, since it stands in Redis. None: no route, nothing can be sent.
  std::optional<std::string> lane(Kind kind, std::string_view destination, const std::vector<std::string>& tags) const;
  const Route* route(std::string_view lane) const;
  std::vector<std::string> lanes() const;

 private:
  std::vector<Route> routes_;
};

}  // namespace signet
