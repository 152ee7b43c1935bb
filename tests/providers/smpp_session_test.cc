// What goes over one link.
#include <catch2/catch.hpp>
#include <deque>

#include "tests/providers/smsc.h"

namespace signet {
namespace {

using namespace testing;
using Bench = SmppBench;

}  // namespace

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
  Certificate certificate;
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

}  // namespace signet
