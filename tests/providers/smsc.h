// An SMSC that a test scripts, and a transport to it.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "providers/smpp_pdu.h"
#include "providers/transport.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/support.h"

namespace signet::testing {

// An SMSC that behaves, but where the script says otherwise.
class Smsc {
 public:
  using Connection = ScriptedServer::Connection;
  explicit Smsc(Loop& loop, std::shared_ptr<TlsContext> tls = nullptr) : server(loop, std::move(tls)) {
    server.on_data = [this](Connection& c, std::string_view input) {
      std::vector<SmppPdu> pdus;
      REQUIRE(readers_[c.number].feed(input, pdus));
      const int number = c.number;
      for (const auto& pdu : pdus) take(number, pdu);
      return input.size();
    };
    server.on_accept = [this](Connection& c) { streams[c.number] = c.stream.get(); };
  }
  void write(int number, uint32_t command, uint32_t status, uint32_t sequence, std::string body = "") {
    streams.at(number)->write(to_octets(SmppPdu{command, status, sequence, std::move(body)}));
  }
  void answer(int number, const SmppPdu& to, uint32_t status, std::string body = "") {
    write(number, to.command | smpp::kResponse, status, to.sequence, std::move(body));
  }
  void close(int number) {
    streams.erase(number);
    server.close(number);
  }
  void deliver(int number, uint32_t sequence, const std::string& text, uint8_t esm_class = smpp::kTypeReceipt) {
    SmppMessage message;
    message.from = {1, 1, "15558675310"};
    message.esm_class = esm_class;
    message.short_message = text;
    write(number, smpp::kDeliverSm, 0, sequence, to_octets(message));
  }
  std::vector<SmppPdu> of(uint32_t command) const {
    std::vector<SmppPdu> out;
    for (const auto& pdu : pdus)
      if (pdu.command == command) out.push_back(pdu);
    return out;
  }
  std::vector<SmppMessage> submitted() const {
    std::vector<SmppMessage> out;
    for (const auto& pdu : of(smpp::kSubmitSm)) out.push_back(*read_message(pdu.body));
    return out;
  }

  ScriptedServer server;
  std::map<int, Stream*> streams;
  std::vector<SmppPdu> pdus;
  std::vector<int> at;  // the connection of each of them
  // True: the script has done all there is to do.
  std::function<bool(int number, const SmppPdu& pdu)> script;

 private:
  void take(int number, const SmppPdu& pdu) {
    pdus.push_back(pdu);
    at.push_back(number);
    if (script && script(number, pdu)) return;
    if (pdu.command == smpp::kBindTransceiver) return answer(number, pdu, 0, id_body("SMSC"));
    if (pdu.command == smpp::kSubmitSm) return answer(number, pdu, 0, id_body("M" + std::to_string(++ids_)));
    if (pdu.command == smpp::kEnquireLink) return answer(number, pdu, 0);
    if (pdu.command == smpp::kUnbind) return answer(number, pdu, 0);
  }

  std::map<int, SmppReader> readers_;
  int ids_ = 0;
};

struct SmppBench {
  SmppBench(Loop& loop, int port, std::map<std::string, std::string> more = {}, TransportOptions options = {},
            const Clock* other = nullptr)
      : loop(loop) {
    settings = smsc_settings();
    settings.values["url"] = "smpp://127.0.0.1:" + std::to_string(port);
    for (auto& [key, value] : more) settings.values[key] = value;
    auto provider = make_provider(settings);
    INFO((provider ? "" : provider.error().text));
    REQUIRE(provider);
    transport = make_transport(loop, other ? *other : clock, log, std::shared_ptr<const Provider>(std::move(*provider)),
                               settings, std::move(options));
  }
  void send(const std::string& body = "Hello.", Tick deadline = {INT64_MAX}) {
    auto message = outbound();
    message.body = Phi<std::string>(body);
    started++;
    transport->send(message, deadline, [this](Outcome outcome) { outcomes.push_back(std::move(outcome)); });
    CHECK(int(outcomes.size()) < started);  // never inside send()
    transport->round();
  }
  void finish() {
    run_until(loop, [this] { return int(outcomes.size()) == started; });
    REQUIRE(int(outcomes.size()) == started);
  }
  Outcome once(const std::string& body = "Hello.", Tick deadline = {INT64_MAX}) {
    send(body, deadline);
    finish();
    return outcomes.back();
  }
  Loop& loop;
  SystemClock clock;
  TestLog log;
  ProviderSettings settings;
  int started = 0;
  std::vector<Outcome> outcomes;
  std::unique_ptr<Transport> transport;
};

inline std::string said(const Outcome& outcome) { return std::string(name(outcome.kind)) + " " + outcome.reason; }

inline TransportOptions options_of(int64_t timeout_ms, OnUnasked on_unasked = {}) {
  TransportOptions options;
  options.request_timeout_ms = timeout_ms;
  options.on_unasked = std::move(on_unasked);
  return options;
}

}  // namespace signet::testing
