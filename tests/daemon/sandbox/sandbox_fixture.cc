#include "tests/daemon/sandbox/sandbox_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daemon/sandbox/accounts.h"
#include "tests/daemon/http/raw_client.h"

namespace signet::test {

SandboxFixture::SandboxFixture(const std::function<void(sandbox::Options&)>& change) {
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
    options.smpp_listen.port = 0;
    options.accounts = {sandbox::twilio_account(kSid, Secret(kToken))};
    options.journal_path = journal_path;
    options.callback_ms = 1;
    options.late_ms = 60;
    options.callback_retry_ms = 2;
    options.webhooks_url = origin();
    if (change) change(options);
    box = sandbox::Sandbox::start(running.loop(), clock, random, log, std::move(options)).value();
    http_port = box->http_port();
    smtp_port = box->smtp_port();
  });
}
SandboxFixture::~SandboxFixture() {
  running.on_loop([&] {
    box.reset();
    receiver.reset();
  });
  unlink(journal_path.c_str());
}

std::string SandboxFixture::origin() const { return "http://127.0.0.1:" + std::to_string(callback_port); }
std::string SandboxFixture::callback_url() const { return origin() + "/webhooks/t?m=" + kEcho; }

std::vector<Callback> SandboxFixture::wait_for_callbacks(size_t count) {
  std::unique_lock lock(mutex);
  if (!changed.wait_for(lock, std::chrono::seconds(10), [&] { return callbacks.size() >= count; }))
    throw std::runtime_error("callbacks missing: " + std::to_string(callbacks.size()));
  return callbacks;
}
std::vector<std::map<std::string, std::string>> SandboxFixture::journal() const {
  std::vector<std::map<std::string, std::string>> out;
  std::ifstream file(journal_path);
  for (std::string line; std::getline(file, line);) {
    auto& values = out.emplace_back();
    const auto json = nlohmann::json::parse(line);
    for (const auto& [name, value] : json.items())
      values[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return out;
}

std::string SandboxFixture::get(const std::string& path) const {
  RawClient client(http_port);
  client.send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
  return client.read_response().value().body;
}

void SandboxFixture::receive(const http::Request& request, const http::Reply& reply) {
  Callback callback;
  callback.target = request.raw_target;
  callback.headers = request.headers;
  callback.body = request.body;
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

}  // namespace signet::test
