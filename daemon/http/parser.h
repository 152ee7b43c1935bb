// Reads requests from octets, however they are cut. Stricter than RFC 9112 demands wherever two readers of the same
// octets might see different requests (request smuggling): bare CR or LF, folded lines, a space before the colon, a
// repeated Host or Content-Length, Transfer-Encoding other than exactly "chunked", or beside Content-Length.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/http/request.h"

namespace signet::http {

struct Refusal {
  int status = 400;
  std::string code;
  std::string title;
  std::string detail;
};

class RequestParser {
 public:
  RequestParser(size_t header_bytes, size_t body_bytes);
  ~RequestParser();

  void append(std::string_view octets);
  enum class Step {
    need_more,      // append, then ask again
    send_continue,  // the client waits for "100 Continue" before it sends the body; told once
    request,        // take() it
    refused,        // see refusal(); the connection is to be closed
  };
  Step next();
  // Without peer_address and listener; request_id empty unless the client gave a proper one. Then the next request
  // begins.
  Request take();
  bool is_keep_alive() const;  // of the request taken last
  bool is_http10() const;      // of the request taken last
  const Refusal& refusal() const;
  std::string request_id() const;  // of the refused request, if it got that far
  bool has_begun() const;          // some octets of a request are here
  size_t buffered() const;         // octets not yet used

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Sets raw_target, path and query_pairs. False: malformed, ambiguous or not UTF-8.
bool read_target(std::string_view target, Request& into);

}  // namespace signet::http
