// User agents behind the hashes that events carry, each sealed once by the key of its first day (design: evidence,
// "Sealing"): what a browser says of itself can point at a person.
#pragma once

#include <mutex>
#include <string>
#include <unordered_set>

#include "daemon/api/router.h"

namespace signet::api {

class UserAgents {  // any thread; one a router
 public:
  // Writes the request's user agent in its transaction, unless it is known to be there.
  void write(Context& context);
  void remember(const http::Request& request);  // once that transaction is committed

 private:
  std::mutex lock_;
  std::unordered_set<std::string> known_;  // by digest; bounded, and emptied when full
};

}  // namespace signet::api
