// A sandbox on a loop of its own, a receiver for its callbacks, and the journal's lines.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

#include "daemon/http/server.h"
#include "daemon/sandbox/sandbox.h"
#include "tests/daemon/http/running_loop.h"

namespace signet::test {

struct Callback {
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::map<std::string, std::string> form;
  std::string signature;
};

struct SandboxFixture {
  static constexpr const char* kSid = "AC00000000000000000000000000000000";
  static constexpr const char* kToken = "a token";
  static constexpr const char* kEcho = "0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061.1";

  explicit SandboxFixture(const std::function<void(sandbox::Options&)>& change = {});
  ~SandboxFixture();

  std::string callback_url() const;
  std::string origin() const;  // of the receiver of callbacks
  // Only from the thread of the test; callbacks come on the loop's.
  std::vector<Callback> wait_for_callbacks(size_t count);
  std::vector<std::map<std::string, std::string>> journal() const;  // its lines: member names and values
  std::string get(const std::string& path) const;                   // the body

  void receive(const http::Request& request, const http::Reply& reply);

  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  SilentLog log;
  std::string journal_path;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Callback> callbacks;
  int refuse_first = 0;
  RunningLoop running;
  std::unique_ptr<http::Server> receiver;
  std::unique_ptr<sandbox::Sandbox> box;
  int callback_port = 0;
  int http_port = 0;
  int smtp_port = 0;
};

}  // namespace signet::test
