// Pages that callbacks are verified with, such as a signer's certificate: got once and kept a day. Who names them and
// has not verified yet may be anybody, so all of it is bounded.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "providers/http_call.h"

namespace signet::api {

class KeptPages {  // any thread; blocks at most for one call
 public:
  KeptPages(const HttpCaller& call, const Clock& clock) : call_(call), clock_(clock) {}  // both outlive this

  // not_found: the server says so, or it is no page; kept too, for a minute. unavailable: not to be had now, for a
  // while or since others are being got: the callback is to come again.
  Result<std::string> get(const std::string& url);

 private:
  struct Page {
    Result<std::string> body = Error{ErrorCode::unavailable, "is being got"};
    Tick until{};
    bool is_coming = false;
  };
  Page fetch(const std::string& url) const;
  void make_room();

  const HttpCaller& call_;
  const Clock& clock_;
  std::mutex lock_;
  std::condition_variable came_;
  std::map<std::string, Page> pages_;  // by URL
  int coming_ = 0;
};

}  // namespace signet::api
