// A request as a handler sees it: read whole, checked, decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::http {

struct Request {
  std::string method;      // GET HEAD POST PUT PATCH DELETE OPTIONS; others never reach a handler
  std::string path;        // decoded UTF-8; begins with '/'; no dot segments, control characters, or decoded '/' in it
  std::string raw_target;  // as it came; signatures over the URL need it
  std::vector<std::pair<std::string, std::string>> query_pairs;  // decoded UTF-8, in order
  // Names in lower case, each once: repeated lines are joined by ", " (RFC 9110 section 5.3).
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;          // octets, without transfer coding
  std::string peer_address;  // of the client; behind a trusted proxy what X-Forwarded-For says
  std::string request_id;    // the client's X-Request-Id if it matches [A-Za-z0-9._-]{1,64}, else a new UUID
  std::string listener;      // name of the listener it came by

  std::optional<std::string_view> header(std::string_view lower_case_name) const;  // views live as long as this
  std::optional<std::string_view> query(std::string_view name) const;              // the first of that name
};

// application/x-www-form-urlencoded, in order; nothing if malformed or not UTF-8.
std::optional<std::vector<std::pair<std::string, std::string>>> read_form(std::string_view text);

}  // namespace signet::http
