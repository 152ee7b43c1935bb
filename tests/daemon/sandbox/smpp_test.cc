#include "daemon/sandbox/smpp_sandbox.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "daemon/sandbox/accounts.h"
#include "providers/smpp_receipt.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/sandbox/sandbox_fixture.h"

using namespace signet;
using namespace signet::test;

namespace {

sandbox::Account smpp_account() {
  sandbox::Account out;
  out.settings.name = out.settings.adapter = "smpp";
  out.settings.values["system_id"] = "clinic";
  out.settings.secrets["password"] = Secret("secret");
  return out;
}

struct Smsc {
  Smsc() : box([](sandbox::Options& options) { options.accounts = {smpp_account()}; }) {
    port = box.running.on_loop([this] { return box.box->smpp_port(); });
  }
  SandboxFixture box;
  int port = 0;
};

class Client {
 public:
  explicit Client(int port) : wire_(port) {}
  void say(uint32_t command, std::string body, uint32_t status = 0, uint32_t sequence = 0) {
    wire_.send(to_octets(SmppPdu{command, status, sequence == 0 ? ++sequence_ : sequence, std::move(body)}));
  }
  SmppPdu hear() {
    const std::string head = wire_.read_octets(16).value();
    const size_t size = read_big_endian(head.substr(0, 4));
    std::vector<SmppPdu> pdus;
    SmppReader reader;
    REQUIRE(reader.feed(head + wire_.read_octets(size - 16).value(), pdus));
    REQUIRE(pdus.size() == 1);
    return pdus[0];
  }
  SmppPdu ask(uint32_t command, std::string body) {
    say(command, std::move(body));
    return hear();
  }
  SmppPdu bind(const std::string& password = "secret") {
    SmppBind bind;
    bind.system_id = "clinic";
    bind.password = password;
    return ask(smpp::kBindTransceiver, to_octets(bind));
  }
  RawClient wire_;

 private:
  uint32_t sequence_ = 0;
};

std::string submit(const std::string& to, const std::string& text = "Your results are in.") {
  SmppMessage message;
  message.from.digits = "15005550006";
  message.to.digits = to;
  message.registered_delivery = 1;
  message.short_message = text;
  return to_octets(message);
}

}  // namespace

TEST_CASE("a bind wants the account's password, and one bind is enough") {
  Smsc smsc;
  Client client(smsc.port);
  CHECK(client.ask(smpp::kSubmitSm, submit("61491570156")).status == smpp::kInvalidBindStatus);
  CHECK(client.bind("wrong").status == smpp::kInvalidPassword);
  CHECK(client.bind().status == smpp::kOk);
  CHECK(client.bind().status == smpp::kAlreadyBound);
  CHECK(client.ask(smpp::kEnquireLink, "").command == (smpp::kEnquireLink | smpp::kResponse));
  const auto unknown = client.ask(0x00000103, "");
  CHECK(unknown.command == smpp::kGenericNack);
  CHECK(unknown.status == smpp::kInvalidCommand);
  CHECK(client.ask(smpp::kUnbind, "").status == smpp::kOk);
  CHECK(smsc.box.journal().empty());
}

TEST_CASE("a short message is taken, journaled, and its receipt told until it is acknowledged") {
  Smsc smsc;
  std::string id;
  {
    Client client(smsc.port);
    REQUIRE(client.bind().status == smpp::kOk);
    const auto taken = client.ask(smpp::kSubmitSm, submit("61491570156"));
    REQUIRE(taken.status == smpp::kOk);
    id = read_id(taken.body);
    CHECK(client.hear().command == smpp::kDeliverSm);  // and no answer: the link is lost
  }
  Client again(smsc.port);
  REQUIRE(again.bind().status == smpp::kOk);
  for (int tries = 0; tries < 2; ++tries) {  // refused once, then taken
    const auto told = again.hear();
    REQUIRE(told.command == smpp::kDeliverSm);
    const auto message = read_message(told.body).value();
    const auto receipt = read_receipt(message).value();
    CHECK(receipt.id == id);
    CHECK(receipt.kind == ReceiptKind::delivered);
    CHECK(message.from.digits == "61491570156");
    again.say(smpp::kDeliverSm | smpp::kResponse, id_body(""), tries == 0 ? smpp::kTemporaryAppError : smpp::kOk,
              told.sequence);
  }
  CHECK(again.ask(smpp::kEnquireLink, "").command == (smpp::kEnquireLink | smpp::kResponse));
  const auto lines = smsc.box.journal();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("recipient") == "+61491570156");
  CHECK(lines[0].at("reference") == id);
}

TEST_CASE("endings decide what a submit_sm is answered") {
  Smsc smsc;
  Client client(smsc.port);
  REQUIRE(client.bind().status == smpp::kOk);
  const auto status = [&](const std::string& to) { return client.ask(smpp::kSubmitSm, submit(to)).status; };
  CHECK(status("61491570001") == smpp::kInvalidDestination);
  CHECK(status("61491570003") == smpp::kThrottled);
  CHECK(status("61491570003") == smpp::kThrottled);
  CHECK(status("61491570009") == smpp::kSystemError);
  CHECK(status("61491570010") == 0x66);
  CHECK(status("61491570011") == smpp::kOk);  // never a receipt
  client.say(smpp::kSubmitSm, submit("61491570005"));
  CHECK(client.wire_.read_all().empty());
  CHECK(client.wire_.was_reset());
  CHECK(smsc.box.journal().back().at("verdict") == "accepted");
}

TEST_CASE("octets that are no PDU end the link") {
  Smsc smsc;
  Client client(smsc.port);
  client.wire_.send(std::string("\0\0\0\1", 4) + std::string(12, 'x'));
  CHECK(client.hear().command == smpp::kGenericNack);
  CHECK(client.wire_.read_all().empty());
}
