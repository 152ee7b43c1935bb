// A sandbox on a loop of its own, a receiver for its callbacks, and the journal's lines.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "daemon/http/server.h"
#include "daemon/sandbox/sandbox.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/http/running_loop.h"

namespace signet::test {

using Json = nlohmann::json;

struct Callback {
  std::string target;
  std::map<std::string, std::string> form;
  std::string signature;
};

struct SandboxFixture {
  static constexpr const char* kSid = "AC00000000000000000000000000000000";
  static constexpr const char* kToken = "a token";
  static constexpr const char* kEcho = "0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061.1";

  explicit SandboxFixture(std::function<void(sandbox::Options&)> change = {}) {
    std::string name = "/tmp/signet-test-XXXXXX";
    const int fd = mkstemp(name.data());
    REQUIRE(fd >= 0);
    close(fd);
    journal_path = name;
    running.on_loop([&] {
      receiver = std::make_unique<http::Server>(running.loop(), nullptr, clock, ids, log);
      http::ListenerOptions listener;
      listener.inline_handler = true;
      listener.handler = [this](http::Request request, http::Reply reply) { receive(request, reply); };
      callback_port = receiver->listen({"127.0.0.1", 0}, std::move(listener)).value();
      sandbox::Options options;
      options.http_listen.port = 0;
      options.smtp_listen.port = 0;
      options.account_sid = kSid;
      options.auth_token = Secret(kToken);
      options.journal_path = journal_path;
      options.callback_ms = 1;
      options.late_ms = 60;
      options.callback_retry_ms = 2;
      if (change) change(options);
      box = sandbox::Sandbox::start(running.loop(), clock, random, log, std::move(options)).value();
      http_port = box->http_port();
      smtp_port = box->smtp_port();
    });
  }
  ~SandboxFixture() {
    running.on_loop([&] {
      box.reset();
      receiver.reset();
    });
    unlink(journal_path.c_str());
  }

  std::string callback_url() const {
    return "http://127.0.0.1:" + std::to_string(callback_port) + "/webhooks/t?m=" + kEcho;
  }

  // Only from the thread of the test; callbacks come on the loop's.
  std::vector<Callback> wait_for_callbacks(size_t count) {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, std::chrono::seconds(10), [&] { return callbacks.size() >= count; }))
      throw std::runtime_error("callbacks missing: " + std::to_string(callbacks.size()));
    return callbacks;
  }
  std::vector<Json> journal() const {
    std::vector<Json> out;
    std::ifstream file(journal_path);
    for (std::string line; std::getline(file, line);) out.push_back(Json::parse(line));
    return out;
  }
  Json summary() {
    RawClient client(http_port);
    client.send("GET /sandbox/journal/summary HTTP/1.1\r\nHost: h\r\n\r\n");
    return Json::parse(client.read_response()->body);
  }

  void receive(const http::Request& request, const http::Reply& reply) {
    Callback callback;
    callback.target = request.raw_target;
    const auto form = http::read_form(request.body);
    if (form) callback.form.insert(form->begin(), form->end());
    callback.signature = request.header("x-twilio-signature").value_or("");
    const std::lock_guard lock(mutex);
    const bool is_refused = refuse_first > 0;
    if (is_refused) {
      --refuse_first;
    } else {
      callbacks.push_back(std::move(callback));
    }
    changed.notify_all();
    http::Response response;
    response.status = is_refused ? 503 : 204;
    reply(std::move(response));
  }

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
