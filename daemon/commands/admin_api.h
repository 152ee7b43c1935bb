// The running daemon's own API, as commands call it: at http.admin.listen, with somebody's token. Blocks.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "providers/http_call.h"

namespace signet {

// A listener of the configuration as this machine reaches it: http://127.0.0.1:8421
std::string listener_url(std::string address, int port, const Config::Tls& tls);

class AdminApi {
 public:
  // `ca_file`: who signed the listener's certificate; empty: the system's authorities.
  static Result<AdminApi> open(const Config& config, const std::string& token_file, const std::string& ca_file);
  // `path` without "/api/". Any status is a reply. The error's text says what to do.
  Result<HttpReply> post(const std::string& path, std::string body) const;

 private:
  HttpCall call_;
  std::string base_;
};

// What a problem says: status, title and detail, and its errors a line each.
std::string said(const HttpReply& answer);
std::vector<std::string> errors_of(const HttpReply& answer);

}  // namespace signet
