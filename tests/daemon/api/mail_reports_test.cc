// Reports on mail as a relay posts them: the whole way from the mail that goes out to the ledger.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using ApiWorld = BasicApiWorld<nlohmann::json>;

std::shared_ptr<Provider> relay() {
  ProviderSettings settings;
  settings.name = "relay";
  settings.adapter = "smtp";
  settings.values = {{"url", "smtp://127.0.0.1:1"}, {"starttls", "off"}, {"from", "Clinic <clinic@example.org>"}};
  settings.secrets.emplace("webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  auto made = make_provider(settings);
  REQUIRE(made.ok());
  return std::move(*made);
}

std::string report(const std::string& envelope_id, const std::string& action, const std::string& status) {
  return "From: MAILER-DAEMON@relay.example\nTo: clinic@example.org\nMIME-Version: 1.0\nContent-Type: "
         "multipart/report; "
         "report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nA report.\n--b\nContent-Type: "
         "message/delivery-status\n\nReporting-MTA: dns; relay.example\nOriginal-Envelope-Id: " +
         envelope_id + "\n\nFinal-Recipient: rfc822; anna@example.org\nAction: " + action + "\nStatus: " + status +
         "\n\n--b--\n";
}

TEST_CASE("a delivery report is kept under the attempt whose token it brings back, and a stranger's is refused") {
  ApiWorld world;
  world.services.providers["relay"] = relay();
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  Outbound message;
  message.message_id = *parse_uuid(id);
  message.kind = Kind::email;
  message.recipient = Phi<std::string>("anna@example.org");
  const auto mail = world.services.providers["relay"]->build_mail(message, world.clock.wall());
  REQUIRE(mail.ok());
  const auto delivered = report(mail->envelope_id, "delivered", "2.0.0");
  CHECK(world.callback("relay", delivered, "").status == 204);
  CHECK(world.callback("relay", delivered, "").status == 204);  // told twice, kept once
  CHECK(world.callback("relay", report(mail->envelope_id, "failed", "5.1.1"), "").status == 204);
  const auto rows =
      world.sql("select message_id::text, attempt_no, kind, provider_code, sealed_by from callback order by kind");
  REQUIRE(rows.size() == 2);
  for (int i = 0; i < 2; i++) {
    CHECK(rows.text(i, 0) == id);
    CHECK(rows.number(i, 1) == 1);
    CHECK(rows.text(i, 4) == "message");
  }
  CHECK(rows.number(0, 2) == static_cast<int>(ReceiptKind::delivered));
  CHECK(rows.number(1, 2) == static_cast<int>(ReceiptKind::bounced));
  CHECK(rows.text(1, 3) == "5.1.1");
  const auto told = world.came;
  CHECK(world.callback("relay", report(message.echo(), "failed", "5.1.1"), "").status == 403);
  CHECK(world.callback("relay", "Buy now!", "").status == 403);
  CHECK(world.callback("relay", report(mail->envelope_id, "vanished", "5.1.1"), "").status == 400);
  CHECK(world.count("callback") == 2);
  CHECK(world.came == told);
}

}  // namespace
}  // namespace signet::api
