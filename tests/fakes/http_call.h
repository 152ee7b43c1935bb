// One HTTP request to a port of loopback over a connection of its own. Blocking, any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace signet {

struct HttpAnswer {
  int status = 0;  // 0: no connection, or no whole answer
  std::string body;
};
// A body is sent as application/json; an empty token sends none.
HttpAnswer http_call(const std::string& method, int port, const std::string& path, const std::string& body = "",
                     const std::string& token = "", const std::vector<std::pair<std::string, std::string>>& more = {},
                     int timeout_s = 20);

}  // namespace signet
