// Mails sent by the smtp adapter through its transport, one test's loop under all of it.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "providers/transport.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/support.h"

namespace signet::testing {

struct MailBench {
  // `more`: settings beside or instead of the usual ones; "(none)" takes one away. `other`: a clock of the test's own.
  MailBench(Loop& loop, int port, TransportOptions options = {}, const std::map<std::string, std::string>& more = {},
            const Clock* other = nullptr)
      : loop(loop) {
    settings = smtp_settings();
    settings.values["url"] = "smtp://127.0.0.1:" + std::to_string(port);
    for (auto& [key, value] : more) settings.values[key] = value;
    for (auto& [key, value] : more)
      if (value == "(none)") settings.values.erase(key);
    if (settings.values.contains("username")) settings.secrets["password"] = Secret("secret");
    if (settings.values.contains("bounce_address"))
      settings.secrets["webhook_secret"] = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    auto made = make_provider(settings);
    INFO((made ? "" : made.error().text));
    REQUIRE(made);
    provider = std::move(*made);
    transport = make_transport(loop, other ? *other : clock, log, provider, settings, options);
  }
  void send(const std::string& body = "Hello.", Tick deadline = {INT64_MAX}) {
    auto message = outbound(Kind::email);
    message.body = Phi<std::string>(body);
    send(message, deadline);
  }
  void send(const Outbound& message, Tick deadline = {INT64_MAX}) {
    started++;
    transport->send(message, deadline, [this](Outcome outcome) { outcomes.push_back(std::move(outcome)); });
    CHECK(int(outcomes.size()) < started);  // never inside send()
  }
  void finish() {
    transport->round();
    run_until(loop, [this] { return int(outcomes.size()) == started; });
    REQUIRE(int(outcomes.size()) == started);
  }
  Outcome once(const std::string& body = "Hello.", Tick deadline = {INT64_MAX}) {
    send(body, deadline);
    finish();
    return outcomes.back();
  }
  Outcome once(const Outbound& message) {
    send(message);
    finish();
    return outcomes.back();
  }

  Loop& loop;
  SystemClock clock;
  TestLog log;
  ProviderSettings settings;
  int started = 0;
  std::vector<Outcome> outcomes;
  std::shared_ptr<const Provider> provider;
  std::unique_ptr<Transport> transport;
};

inline std::string said(const Outcome& outcome) { return std::string(name(outcome.kind)) + " " + outcome.reason; }

}  // namespace signet::testing
