#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "providers/sms_text.h"
#include "tests/providers/smsc.h"

namespace signet {
namespace {

using namespace testing;
using Bench = SmppBench;

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
  SetClock clock;
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

TEST_CASE("I10 a submit is not begun after its deadline") {
  SetClock clock;
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
  other.transport->send(outbound(), {INT64_MAX}, [&](Outcome) {
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
