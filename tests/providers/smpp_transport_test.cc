#include "providers/smpp_transport.h"

#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "base/bytes.h"
#include "providers/smpp_session.h"
#include "providers/sms_text.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using testing::run_until;
using testing::ScriptedServer;

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

struct Bench {
  Bench(Loop& loop, int port, std::map<std::string, std::string> more = {}, TransportOptions options = {},
        const Clock* other = nullptr)
      : loop(loop) {
    settings = testing::smsc_settings();
    settings.values["url"] = "smpp://127.0.0.1:" + std::to_string(port);
    for (auto& [key, value] : more) settings.values[key] = value;
    auto provider = make_provider(settings);
    INFO((provider ? "" : provider.error().text));
    REQUIRE(provider);
    transport = make_transport(loop, other ? *other : clock, log, std::shared_ptr<const Provider>(std::move(*provider)),
                               settings, std::move(options));
  }
  void send(const std::string& body = "Hello.", Tick deadline = {INT64_MAX}) {
    auto message = testing::outbound();
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
  testing::TestLog log;
  ProviderSettings settings;
  int started = 0;
  std::vector<Outcome> outcomes;
  std::unique_ptr<Transport> transport;
};

std::string said(const Outcome& outcome) { return std::string(name(outcome.kind)) + " " + outcome.reason; }

TransportOptions options_of(int64_t timeout_ms, OnUnasked on_unasked = {}) {
  TransportOptions options;
  options.request_timeout_ms = timeout_ms;
  options.on_unasked = std::move(on_unasked);
  return options;
}

const std::string kLong(300, 'a');  // two parts

}  // namespace

TEST_CASE("a short message goes out over a bind, and a second one over the same") {
  Loop loop;
  Smsc smsc(loop);
  Bench bench(loop, smsc.server.port(), {{"system_type", "VMA"}});
  const auto outcome = bench.once();
  CHECK(said(outcome) == "accepted ");
  CHECK(outcome.provider_reference == "M1");
  CHECK(outcome.provider_code == "0x00");
  CHECK((outcome.parts == 1 && outcome.has_begun));
  CHECK(bench.once().provider_reference == "M2");
  CHECK(smsc.server.accepted == 1);
  REQUIRE(smsc.of(smpp::kBindTransceiver).size() == 1);
  const auto bind = read_bind(smsc.pdus[0].body);
  REQUIRE(bind);
  CHECK((bind->system_id == "clinic" && bind->password == "secret" && bind->system_type == "VMA"));
  CHECK(bind->interface_version == 0x34);
  REQUIRE(smsc.submitted().size() == 2);
  CHECK(smsc.submitted()[0].short_message == "Hello.");
  CHECK(smsc.submitted()[0].to.digits == "15558675310");
}

TEST_CASE("binds stand before anything is sent, as many as are asked for") {
  Loop loop;
  Smsc smsc(loop);
  Bench bench(loop, smsc.server.port(), {{"binds", "3"}});
  run_until(loop, [&] { return smsc.of(smpp::kBindTransceiver).size() == 3; });
  // Each has its own window, and what is to be sent is spread over them.
  smsc.script = [&](int, const SmppPdu& pdu) { return pdu.command == smpp::kSubmitSm; };
  Timer soon(loop);
  soon.start(20, [&] {
    for (int i = 0; i < 6; i++) bench.send();
  });
  run_until(loop, [&] { return smsc.of(smpp::kSubmitSm).size() == 6; });
  std::map<int, int> count;
  for (size_t i = 0; i < smsc.pdus.size(); i++)
    if (smsc.pdus[i].command == smpp::kSubmitSm) count[smsc.at[i]]++;
  CHECK(count == std::map<int, int>{{1, 2}, {2, 2}, {3, 2}});
}

TEST_CASE("no more submits wait for an answer than the window has") {
  Loop loop;
  Smsc smsc(loop);
  std::deque<std::pair<int, SmppPdu>> held;
  size_t most = 0;
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm) return false;
    held.emplace_back(number, pdu);
    most = std::max(most, held.size());
    return true;
  };
  Bench bench(loop, smsc.server.port(), {{"window", "4"}});
  for (int i = 0; i < 20; i++) bench.send();
  Timer answers(loop);
  answers.repeat(5, [&] {
    if (held.empty()) return;
    const auto [number, pdu] = held.back();  // not in their order
    held.pop_back();
    smsc.answer(number, pdu, 0, id_body("S" + std::to_string(pdu.sequence)));
  });
  bench.finish();
  CHECK(most == 4);
  std::set<std::string> references;
  for (const auto& outcome : bench.outcomes) {
    CHECK(said(outcome) == "accepted ");
    CHECK(references.insert(outcome.provider_reference).second);
  }
}

TEST_CASE("the parts of a long text go one after the other, and all their ids are kept") {
  for (std::string way : {"udh", "sar"}) {
    Loop loop;
    Smsc smsc(loop);
    Bench bench(loop, smsc.server.port(), {{"concatenation", way}});
    const auto outcome = bench.once(kLong);
    CHECK(said(outcome) == "accepted ");
    CHECK(outcome.provider_reference == "M1 M2");
    CHECK(outcome.parts == 2);
    std::string text;
    for (const auto& part : smsc.submitted())
      text += way == "udh" ? without_sms_header(part.short_message) : std::string_view(part.short_message);
    CHECK(text == kLong);
  }
}

TEST_CASE("a refusal is the SMSC's, and of a part after others it leaves the message in doubt") {
  struct Row {
    uint32_t status;
    int part;
    std::string said, reference;
  };
  for (const auto& row : std::vector<Row>{
           {0x0b, 1, "permanent recipient_refused", ""},
           {0x58, 1, "retryable throttled", ""},
           {0x14, 1, "retryable throttled", ""},
           {0x08, 1, "retryable provider_error", ""},
           {0x0b, 2, "in_doubt partial", "M1"},
           {0x08, 2, "in_doubt partial", "M1"},
       }) {
    INFO(row.status << " " << row.part);
    Loop loop;
    Smsc smsc(loop);
    int submits = 0;
    smsc.script = [&](int number, const SmppPdu& pdu) {
      if (pdu.command != smpp::kSubmitSm || ++submits != row.part) return false;
      smsc.answer(number, pdu, row.status);
      return true;
    };
    Bench bench(loop, smsc.server.port());
    const auto outcome = bench.once(kLong);
    CHECK(said(outcome) == row.said);
    CHECK(outcome.provider_reference == row.reference);
    CHECK(outcome.has_begun);
    CHECK(int(smsc.submitted().size()) == row.part);
    CHECK(said(bench.once()) == "accepted ");
    CHECK(smsc.server.accepted == 1);
  }
}

TEST_CASE("a part that is throttled after others were taken waits and goes again") {
  Loop loop;
  Smsc smsc(loop);
  int submits = 0;
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm || ++submits != 2) return false;
    smsc.answer(number, pdu, smpp::kThrottled);
    return true;
  };
  Bench bench(loop, smsc.server.port());
  const auto outcome = bench.once(kLong);
  CHECK(said(outcome) == "accepted ");
  CHECK(outcome.provider_reference == "M1 M2");
  CHECK(smsc.submitted().size() == 3);
}

TEST_CASE("a bind that is refused sends nothing, and the account is at fault") {
  for (uint32_t status : {smpp::kInvalidPassword, smpp::kInvalidSystemId, smpp::kBindFailed, smpp::kAlreadyBound}) {
    Loop loop;
    Smsc smsc(loop);
    smsc.script = [&](int number, const SmppPdu& pdu) {
      if (pdu.command != smpp::kBindTransceiver) return false;
      smsc.answer(number, pdu, status);
      return true;
    };
    Bench bench(loop, smsc.server.port());
    const auto outcome = bench.once();
    const bool is_account = status == smpp::kAlreadyBound;
    CHECK(said(outcome) == (is_account ? "retryable account_refused" : "retryable auth_failed"));
    CHECK(outcome.scope == (is_account ? FaultScope::account : FaultScope::credential));
    CHECK(!outcome.has_begun);
    // It is not asked again at once: accounts get locked.
    CHECK(said(bench.once()) == said(outcome));
    CHECK(smsc.server.accepted == 1);
    CHECK(bench.log.lines.size() == 1);
    for (const auto& line : bench.log.lines) CHECK(line.find("secret") == std::string::npos);
  }
}

TEST_CASE("an SMSC that is not there is retryable") {
  Loop loop;
  int port = 0;
  {
    Smsc smsc(loop);
    port = smsc.server.port();
  }
  Bench bench(loop, port);
  const auto outcome = bench.once();
  CHECK(said(outcome) == "retryable connect_refused");
  CHECK((outcome.scope == FaultScope::provider && !outcome.has_begun));
  CHECK(said(bench.once()) == "retryable connect_refused");
  Bench unnamed(loop, 1, {{"url", "smpp://no..such:2775"}, {"cleartext", "allowed"}});
  CHECK(said(unnamed.once()) == "retryable dns_failed");
}

TEST_CASE("an SMSC that does not answer the bind is not there") {
  testing::SetClock clock;
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int, const SmppPdu& pdu) {
    clock.tick_.us += 10;
    return pdu.command == smpp::kBindTransceiver;
  };
  Bench bench(loop, smsc.server.port(), {}, {}, &clock);
  CHECK(said(bench.once("Hello.", {clock.tick_.us + 5})) == "retryable connect_timed_out");
  CHECK(smsc.submitted().empty());
}

TEST_CASE("a lost link leaves what was submitted in doubt, and what was not goes over the next one") {
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (number > 1 || pdu.command != smpp::kSubmitSm) return false;
    if (smsc.submitted().size() == 2) smsc.close(number);
    return true;
  };
  Bench bench(loop, smsc.server.port(), {{"window", "2"}});
  for (int i = 0; i < 3; i++) bench.send();
  bench.finish();
  std::multiset<std::string> ends;
  for (const auto& outcome : bench.outcomes) ends.insert(said(outcome));
  CHECK(ends == std::multiset<std::string>{"accepted ", "in_doubt reset_after_send", "in_doubt reset_after_send"});
  CHECK(smsc.server.accepted == 2);
}

TEST_CASE("a link that ends between two parts lets the second go over another") {
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (number > 1 || pdu.command != smpp::kSubmitSm) return false;
    smsc.write(number, smpp::kUnbind, 0, 77);
    smsc.answer(number, pdu, 0, id_body("first"));
    return true;
  };
  Bench bench(loop, smsc.server.port());
  const auto outcome = bench.once(kLong);
  CHECK(said(outcome) == "accepted ");
  CHECK(outcome.provider_reference == "first M1");
  CHECK(smsc.server.accepted == 2);
}

TEST_CASE("an SMSC that drops each link is not asked again and again") {
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kBindTransceiver) return false;
    smsc.answer(number, pdu, 0, id_body("SMSC"));
    loop.post([&smsc, number] { smsc.close(number); });
    return true;
  };
  Bench bench(loop, smsc.server.port());
  run_until(loop, [&] { return smsc.server.accepted == 2; });
  Timer later(loop);
  bool is_later = false;
  later.start(300, [&] { is_later = true; });
  run_until(loop, [&] { return is_later; });
  CHECK(smsc.server.accepted == 2);
}

TEST_CASE("a submit that nobody answers is in doubt after its time, and its place in the window is free") {
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int, const SmppPdu& pdu) { return pdu.command == smpp::kSubmitSm && smsc.submitted().size() == 1; };
  Bench bench(loop, smsc.server.port(), {{"window", "1"}}, options_of(200));
  CHECK(said(bench.once()) == "in_doubt timed_out");
  CHECK(said(bench.once()) == "accepted ");
  CHECK(smsc.server.accepted == 1);
}

TEST_CASE("an answer that comes too late, or to nothing, changes nothing") {
  Loop loop;
  Smsc smsc(loop);
  SmppPdu late;
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm) return false;
    if (late.sequence == 0) return late = pdu, true;
    smsc.answer(number, late, 0, id_body("late"));
    smsc.write(number, smpp::kSubmitSm | smpp::kResponse, 0, 4711, id_body("nobody's"));
    smsc.write(number, smpp::kEnquireLink | smpp::kResponse, 0, pdu.sequence);
    smsc.answer(number, pdu, 0, id_body("right"));
    return true;
  };
  Bench bench(loop, smsc.server.port(), {}, options_of(200));
  CHECK(said(bench.once()) == "in_doubt timed_out");
  CHECK(bench.once().provider_reference == "right");
}

TEST_CASE("a generic_nack answers the submit whose number it has") {
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm) return false;
    smsc.write(number, smpp::kGenericNack, smpp::kInvalidLength, pdu.sequence);
    return true;
  };
  Bench bench(loop, smsc.server.port());
  CHECK(said(bench.once()) == "permanent message_refused");
}

TEST_CASE("what is no SMPP, or no proof, is never acceptance") {
  struct Row {
    std::string octets, said;
  };
  for (const auto& row : std::vector<Row>{
           {"HTTP/1.1 400 Bad Request\r\n\r\n", "in_doubt reset_after_send"},
           {std::string(4, '\0'), "in_doubt reset_after_send"},
           {std::string("\x00\x00\x00\x10\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00", 16),
            "in_doubt reset_after_send"},
       }) {
    Loop loop;
    Smsc smsc(loop);
    smsc.script = [&](int number, const SmppPdu& pdu) {
      if (number > 1 || pdu.command != smpp::kSubmitSm) return false;
      smsc.streams.at(number)->write(row.octets);
      return true;
    };
    Bench bench(loop, smsc.server.port());
    CHECK(said(bench.once()) == row.said);
    CHECK(said(bench.once()) == "accepted ");
  }
  Loop loop;
  Smsc smsc(loop);
  std::deque<std::string> bodies{"", id_body(""), "unterminated", id_body(std::string(65, 'a')), id_body("a b")};
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm || bodies.empty()) return false;
    smsc.answer(number, pdu, 0, bodies.front());
    bodies.pop_front();
    return true;
  };
  Bench bench(loop, smsc.server.port());
  while (!bodies.empty()) CHECK(said(bench.once()) == "in_doubt unreadable_reply");
}

TEST_CASE("I10 a submit is not begun after its deadline") {
  testing::SetClock clock;
  Loop loop;
  Smsc smsc(loop);
  std::optional<SmppPdu> held;
  smsc.script = [&](int, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm) return false;
    held = pdu;
    return true;
  };
  Bench bench(loop, smsc.server.port(), {{"window", "1"}}, {}, &clock);
  bench.send();
  bench.send("second", {clock.tick_.us + 5});
  run_until(loop, [&] { return held.has_value(); });
  clock.tick_.us += 10;
  smsc.answer(1, *held, 0, id_body("M1"));
  bench.finish();
  CHECK(said(bench.outcomes[0]) == "accepted ");
  CHECK(said(bench.outcomes[1]) == "unsent permit_lapsed");
  CHECK(!bench.outcomes[1].has_begun);
  CHECK(smsc.submitted().size() == 1);
}

TEST_CASE("both sides ask whether the other is there, and a silent SMSC is left") {
  Loop loop;
  Smsc smsc(loop);
  bool is_silent = false;
  smsc.script = [&](int, const SmppPdu&) { return is_silent; };
  Bench bench(loop, smsc.server.port(), {{"enquire_link_s", "1"}});
  CHECK(said(bench.once()) == "accepted ");
  smsc.write(1, smpp::kEnquireLink, 0, 99);
  run_until(loop, [&] { return !smsc.of(smpp::kEnquireLink).empty(); });
  const auto answers = smsc.of(smpp::kEnquireLink | smpp::kResponse);
  REQUIRE(answers.size() == 1);
  CHECK((answers[0].sequence == 99 && answers[0].status == 0 && answers[0].body.empty()));
  is_silent = true;
  bench.send();
  run_until(loop, [&] { return smsc.submitted().size() == 2; });
  bench.finish();
  CHECK(said(bench.outcomes.back()) == "in_doubt reset_after_send");
}

TEST_CASE("a PDU that is not known is answered with generic_nack") {
  Loop loop;
  Smsc smsc(loop);
  Bench bench(loop, smsc.server.port());
  bench.once();
  smsc.write(1, 0x103, 0, 42, "data_sm");
  run_until(loop, [&] { return !smsc.of(smpp::kGenericNack).empty(); });
  const auto nack = smsc.of(smpp::kGenericNack)[0];
  CHECK((nack.status == smpp::kInvalidCommand && nack.sequence == 42));
  CHECK(said(bench.once()) == "accepted ");
}

TEST_CASE("an SMSC that unbinds is answered after what is under way, and bound anew") {
  Loop loop;
  Smsc smsc(loop);
  std::optional<SmppPdu> held;
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm || number > 1) return false;
    held = pdu;
    smsc.write(number, smpp::kUnbind, 0, 7);
    return true;
  };
  Bench bench(loop, smsc.server.port());
  bench.send();
  run_until(loop, [&] { return held.has_value(); });
  Timer later(loop);
  later.start(20, [&] {
    CHECK(smsc.of(smpp::kUnbind | smpp::kResponse).empty());
    smsc.answer(1, *held, 0, id_body("last"));
  });
  bench.finish();
  CHECK(bench.outcomes.back().provider_reference == "last");
  run_until(loop, [&] { return !smsc.of(smpp::kUnbind | smpp::kResponse).empty(); });
  CHECK(smsc.of(smpp::kUnbind | smpp::kResponse)[0].sequence == 7);
  CHECK(said(bench.once()) == "accepted ");
  CHECK(smsc.server.accepted == 2);
}

TEST_CASE("what the SMSC tells is acknowledged once it is kept, and not before") {
  struct Row {
    UnaskedEnd end;
    uint32_t status;
  };
  for (const auto& row : std::vector<Row>{{UnaskedEnd::kept, smpp::kOk},
                                          {UnaskedEnd::unreadable, smpp::kPermanentAppError},
                                          {UnaskedEnd::unavailable, smpp::kTemporaryAppError}}) {
    Loop loop;
    Smsc smsc(loop);
    std::vector<CallbackRequest> told;
    std::function<void(UnaskedEnd)> keep;
    Bench bench(loop, smsc.server.port(), {},
                options_of(30000, [&](CallbackRequest request, std::function<void(UnaskedEnd)> done) {
                  told.push_back(std::move(request));
                  keep = std::move(done);
                }));
    bench.once();
    smsc.deliver(1, 5, "id:M1 stat:DELIVRD");
    run_until(loop, [&] { return told.size() == 1; });
    CHECK(said(bench.once()) == "accepted ");  // the link goes on meanwhile
    CHECK(smsc.of(smpp::kDeliverSm | smpp::kResponse).empty());
    CHECK(told[0].method == "deliver_sm");
    CHECK(told[0].peer_address == "127.0.0.1");
    CHECK(read_message(told[0].body).ok());
    loop.post([&] { keep(row.end); });
    run_until(loop, [&] { return !smsc.of(smpp::kDeliverSm | smpp::kResponse).empty(); });
    const auto answer = smsc.of(smpp::kDeliverSm | smpp::kResponse)[0];
    CHECK((answer.sequence == 5 && answer.status == row.status));
    CHECK(answer.body == std::string(1, '\0'));
  }
}

TEST_CASE("what nobody keeps is to be told again, and so is what is too much") {
  Loop loop;
  Smsc smsc(loop);
  Bench nobody(loop, smsc.server.port());
  nobody.once();
  smsc.deliver(1, 5, "id:M1 stat:DELIVRD");
  run_until(loop, [&] { return !smsc.of(smpp::kDeliverSm | smpp::kResponse).empty(); });
  CHECK(smsc.of(smpp::kDeliverSm | smpp::kResponse)[0].status == smpp::kTemporaryAppError);

  Smsc flood(loop);
  int told = 0;
  Bench bench(loop, flood.server.port(), {},
              options_of(30000, [&](CallbackRequest, std::function<void(UnaskedEnd)>) { told++; }));
  bench.once();
  for (uint32_t i = 1; i <= 300; i++) flood.deliver(1, i, "id:M1 stat:DELIVRD");
  run_until(loop, [&] { return flood.of(smpp::kDeliverSm | smpp::kResponse).size() == 44; });
  CHECK(told == 256);
}

TEST_CASE("a receipt that is kept after its link was lost is not acknowledged on another") {
  Loop loop;
  Smsc smsc(loop);
  std::function<void(UnaskedEnd)> keep;
  Bench bench(
      loop, smsc.server.port(), {},
      options_of(30000, [&](CallbackRequest, std::function<void(UnaskedEnd)> done) { keep = std::move(done); }));
  bench.once();
  smsc.deliver(1, 5, "id:M1 stat:DELIVRD");
  run_until(loop, [&] { return bool(keep); });
  loop.post([&] { smsc.close(1); });
  run_until(loop, [&] { return smsc.of(smpp::kBindTransceiver).size() == 2; });
  loop.post([&] { keep(UnaskedEnd::kept); });
  CHECK(said(bench.once()) == "accepted ");
  CHECK(smsc.of(smpp::kDeliverSm | smpp::kResponse).empty());
}

TEST_CASE("an SMSC by TLS is who its certificate says") {
  testing::Certificate certificate;
  Loop loop;
  Smsc smsc(loop, certificate.server);
  const auto url = "smpps://127.0.0.1:" + std::to_string(smsc.server.port());
  Bench bench(loop, 1, {{"url", url}, {"ca_file", certificate.file}});
  CHECK(said(bench.once()) == "accepted ");
  Bench stranger(loop, 1, {{"url", url}});
  CHECK(said(stranger.once()) == "retryable tls_failed");
  Bench unreadable(loop, 1, {{"url", url}, {"ca_file", "/nonexistent"}});
  CHECK(said(unreadable.once()) == "retryable tls_failed");
}

TEST_CASE("a transport that goes unbinds, and calls nobody") {
  Loop loop;
  Smsc smsc(loop);
  smsc.script = [&](int, const SmppPdu& pdu) { return pdu.command == smpp::kSubmitSm; };
  Bench bench(loop, smsc.server.port());
  bench.send();
  run_until(loop, [&] { return smsc.submitted().size() == 1; });
  bench.send("second");
  bench.transport.reset();
  run_until(loop, [&] { return !smsc.of(smpp::kUnbind).empty(); });
  CHECK(bench.outcomes.empty());
  // And from inside its own callback.
  smsc.script = nullptr;
  Bench other(loop, smsc.server.port());
  bool is_done = false;
  other.transport->send(testing::outbound(), {INT64_MAX}, [&](Outcome) {
    is_done = true;
    other.transport.reset();
  });
  other.transport->round();
  run_until(loop, [&] { return is_done; });
  CHECK(is_done);
}

TEST_CASE("nothing of a patient is in the log") {
  Loop loop;
  Smsc smsc(loop);
  std::deque<uint32_t> statuses{0x08, 0x58, 0x04, 0x0b};
  smsc.script = [&](int number, const SmppPdu& pdu) {
    if (pdu.command != smpp::kSubmitSm || statuses.empty()) return false;
    smsc.answer(number, pdu, statuses.front());
    statuses.pop_front();
    return true;
  };
  Bench bench(loop, smsc.server.port());
  for (int i = 0; i < 4; i++) bench.once("Termin um neun");
  for (const auto& line : bench.log.lines)
    for (std::string secret : {"Termin", "15558675310", "secret"}) CHECK(line.find(secret) == std::string::npos);
}

}  // namespace signet
