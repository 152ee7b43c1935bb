// Reports as relays write them, through the smtp adapter: read, proven, and turned into receipts.
#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "providers/arf.h"
#include "providers/dsn.h"
#include "providers/mail_token.h"
#include "providers/mime.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using enum ReceiptKind;

const Echo kEcho{*parse_uuid("0193b3c4-0000-7000-8000-00000000abcd"), 2};
const std::string kId = echo_of(kEcho.message_id, kEcho.attempt_no);

ProviderSettings settings() {
  auto out = testing::smtp_settings();
  out.values["bounce_address"] = "bounces@example.org";
  out.secrets.emplace("webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  return out;
}

std::unique_ptr<Provider> relay(ProviderSettings of = settings()) {
  auto made = make_provider(of);
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  return std::move(*made);
}

std::string token() {
  std::vector<Secret> keys;
  keys.emplace_back(*from_base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  return MailTokens(std::move(keys), "relay").make(kEcho);
}

CallbackRequest came(const std::string& mail) {
  CallbackRequest request;
  request.public_url = "https://signet.example/webhooks/relay";
  request.headers = {{"content-type", "message/rfc822"}};
  request.body = mail;
  return request;
}

std::string recipient(const std::string& action, const std::string& status, const std::string& diagnostic = "",
                      const std::string& to = "patient@example.net") {
  return "Final-Recipient: rfc822; " + to + "\nOriginal-Recipient: rfc822;patient@example.net\nAction: " + action +
         "\nStatus: " + status + "\n" +
         (diagnostic.empty() ? "" : "Remote-MTA: dns; mx.example.net\nDiagnostic-Code: " + diagnostic + "\n");
}

// As Postfix writes it; `groups` are of the recipients, `sent` is what it gives back.
std::string dsn(const std::string& groups, const std::string& envelope_id, const std::string& sent = "",
                const std::string& to = "clinic@example.org") {
  return "Return-Path: <>\nDate: Sun, 22 Nov 2026 00:00:05 +0000 (UTC)\nFrom: MAILER-DAEMON@relay.example (Mail "
         "Delivery "
         "System)\nSubject: Undelivered Mail Returned to Sender\nTo: " +
         to +
         "\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/report; "
         "report-type=delivery-status;\n\tboundary=\"4F3C2A1B.1795305605/relay.example\"\nContent-Transfer-Encoding: "
         "8bit\n\nThis is a MIME-encapsulated message.\n\n--4F3C2A1B.1795305605/relay.example\nContent-Description: "
         "Notification\nContent-Type: text/plain; charset=utf-8\n\nI'm sorry to have to inform you.\n\n"
         "--4F3C2A1B.1795305605/relay.example\nContent-Description: Delivery report\nContent-Type: "
         "message/delivery-status\n\nReporting-MTA: dns; relay.example\n" +
         (envelope_id.empty() ? "" : "Original-Envelope-Id: " + envelope_id + "\n") +
         "X-Postfix-Queue-ID: 4F3C2A1B\nArrival-Date: Sun, 22 Nov 2026 00:00:00 +0000 (UTC)\n\n" + groups +
         "\n--4F3C2A1B.1795305605/relay.example\nContent-Description: Undelivered Message Headers\nContent-Type: "
         "text/rfc822-headers\n\n" +
         sent +
         "From: Clinic <clinic@example.org>\nTo: patient@example.net\nSubject: Your results\n\n"
         "--4F3C2A1B.1795305605/relay.example--\n";
}

std::string arf(const std::string& fields, const std::string& sent) {
  return "From: <abusedesk@example.com>\nDate: Thu, 8 Mar 2027 17:40:36 EDT\nSubject: FW: Your results\nTo: "
         "<abuse@example.org>\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report;\n     "
         "boundary=\"part1_13d.2e68ed54_boundary\"\n\n--part1_13d.2e68ed54_boundary\nContent-Type: text/plain; "
         "charset=\"US-ASCII\"\n\nThis is an email abuse report.\n\n--part1_13d.2e68ed54_boundary\nContent-Type: "
         "message/feedback-report\n\n" +
         fields +
         "User-Agent: SomeGenerator/1.0\nVersion: 1\n\n--part1_13d.2e68ed54_boundary\nContent-Type: message/rfc822\n"
         "Content-Disposition: inline\n\n" +
         sent + "From: <clinic@example.org>\nSubject: Your results\n\nHello.\n--part1_13d.2e68ed54_boundary--\n";
}

std::string with_crlf(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

struct Told {
  ReceiptKind kind;
  std::string code;
  bool is_partial = false;
};

void check_receipts(const Result<std::vector<Receipt>>& receipts, const std::vector<Told>& told) {
  REQUIRE(receipts);
  REQUIRE(receipts->size() == told.size());
  for (size_t i = 0; i < told.size(); i++) {
    const auto& receipt = (*receipts)[i];
    CHECK(name(receipt.kind) == name(told[i].kind));
    CHECK(receipt.provider_code == told[i].code);
    CHECK(receipt.is_partial == told[i].is_partial);
    CHECK(receipt.message_id == kEcho.message_id);
    CHECK(receipt.attempt_no == kEcho.attempt_no);
    CHECK(receipt.event_id.find(kId) != std::string::npos);
    CHECK(receipt.event_id.size() < 128);
    CHECK((receipt.event_id + receipt.provider_code + receipt.provider_reference).find("patient") == std::string::npos);
  }
}

}  // namespace

TEST_CASE("what a delivery report says of its recipients becomes receipts") {
  struct Row {
    std::string groups;
    std::vector<Told> told;
  };
  const std::string two = "\n";
  for (auto& row : std::vector<Row>{
           {recipient("failed", "5.1.1", "smtp; 550 5.1.1 <patient@example.net>: User unknown"),
            {{bounced, "550 5.1.1"}}},
           {recipient("failed", "5.1.2"), {{bounced, "5.1.2"}}},
           {recipient("failed", "5.1.10", "smtp;556 5.1.10 null MX"), {{bounced, "556 5.1.10"}}},
           {recipient("failed", "5.2.1"), {{bounced, "5.2.1"}}},
           {recipient("FAILED", "5.1.1 (bad destination mailbox address)"), {{bounced, "5.1.1"}}},
           // The recipient lives: this mail did not arrive, others may.
           {recipient("failed", "5.2.2", "smtp; 552 5.2.2 mailbox full"), {{failed, "552 5.2.2"}}},
           {recipient("failed", "5.7.1", "smtp; 550-5.7.1 blocked"), {{failed, "550 5.7.1"}}},
           {recipient("failed", "5.3.4"), {{failed, "5.3.4"}}},
           {recipient("failed", "5.4.4", "X-Postfix; Host or domain name not found"), {{failed, "5.4.4"}}},
           {recipient("failed", "4.4.1", "X-Postfix; connect to mx.example.net: Connection timed out"),
            {{failed, "4.4.1"}}},
           {recipient("failed", "4.1.1"), {{failed, "4.1.1"}}},
           {recipient("failed", "5.0.0", "smtp; 5501 is no code"), {{failed, "5.0.0"}}},
           {recipient("failed", "5.0.0", "smtp; patient@example.net"), {{failed, "5.0.0"}}},
           {recipient("failed", "5.0.0", "smtp;"), {{failed, "5.0.0"}}},
           {recipient("failed", "5.99.999"), {{failed, "5.99.999"}}},
           {recipient("delivered", "2.0.0", "smtp; 250 2.0.0 Ok"), {{delivered, "250 2.0.0"}}},
           {recipient("delivered", "2.1.5 (Destination address valid)"), {{delivered, "2.1.5"}}},
           {recipient("delayed", "4.4.1"), {{sent, "4.4.1"}}},
           {recipient("relayed", "2.0.0"), {{sent, "2.0.0"}}},
           {recipient("expanded", "2.0.0"), {{sent, "2.0.0"}}},
           // Passed on to several.
           {recipient("delivered", "2.0.0") + two + recipient("delivered", "2.1.5", "", "b@example.net"),
            {{delivered, "2.0.0"}}},
           {recipient("failed", "5.1.1") + two + recipient("failed", "5.1.1", "", "b@example.net"),
            {{bounced, "5.1.1"}}},
           {recipient("failed", "5.1.1") + two + recipient("failed", "5.7.1", "", "b@example.net"),
            {{failed, "5.7.1"}}},
           {recipient("delivered", "2.0.0") + two + recipient("failed", "5.1.1", "", "b@example.net"),
            {{delivered, "2.0.0", true}, {failed, "5.1.1", true}}},
           {recipient("delayed", "4.4.1") + two + recipient("delivered", "2.0.0", "", "b@example.net"),
            {{sent, "4.4.1"}, {delivered, "2.0.0", true}}},
           {recipient("relayed", "2.0.0") + two + recipient("relayed", "2.0.0", "", "b@example.net"),
            {{sent, "2.0.0"}}},
       }) {
    INFO(row.groups);
    const auto provider = relay();
    for (const auto& mail : {dsn(row.groups, kId + "." + token()), with_crlf(dsn(row.groups, kId + "." + token()))}) {
      const auto verdict = provider->verify(came(mail));
      CHECK(verdict.is_genuine);
      CHECK(verdict.reason == "");
      check_receipts(provider->receipts(came(mail)), row.told);
    }
  }
}

TEST_CASE("a report that contradicts itself, or says nothing definite, proves nothing") {
  for (const auto& groups :
       {std::string(), recipient("", "5.1.1"), recipient("failed", ""), recipient("failed", "2.0.0"),
        recipient("delivered", "5.1.1"), recipient("delivered", "4.0.0"), recipient("relayed", "5.0.0"),
        recipient("bounced", "5.1.1"), recipient("failed", "five"), recipient("failed", "5.1"),
        recipient("failed", "5.1.1.1"), recipient("failed", "5.1111.1"), std::string("Action: failed\nStatus: 5.1.1\n"),
        recipient("failed", "5.1.1") + "\n" + recipient("vanished", "5.1.1", "", "b@example.net")}) {
    INFO(groups);
    const auto provider = relay();
    const auto request = came(dsn(groups, kId + "." + token()));
    CHECK(provider->verify(request).is_genuine);
    const auto receipts = provider->receipts(request);
    CHECK(!receipts);
    CHECK(receipts.error().text.find("patient") == std::string::npos);
  }
}

TEST_CASE("a report is genuine by the token of the mail, wherever it brings it back") {
  const auto provider = relay();
  const auto groups = recipient("failed", "5.1.1");
  const auto verp = "bounces+" + token() + "@example.org";
  for (const auto& mail : {
           dsn(groups, kId + "." + token()),
           dsn(groups, "", "X-Signet-Token: " + token() + "\n"),
           dsn(groups, "", "Return-Path: <" + verp + ">\n"),
           dsn(groups, "", "", verp),
           dsn(groups, "", "", "<" + verp + ">"),
           dsn(groups, "QQ314159", "", "Clinic\n  <" + verp + ">"),
           "Delivered-To: " + verp + "\n" + dsn(groups, ""),
           "X-Original-To: " + verp + "\n" + dsn(groups, ""),
       }) {
    INFO(mail.substr(0, 400));
    CHECK(provider->verify(came(mail)).is_genuine);
    check_receipts(provider->receipts(came(mail)), {{bounced, "5.1.1"}});
  }
}

TEST_CASE("a report without a token of ours is not genuine, whatever else it knows") {
  const auto provider = relay();
  auto other = token();
  other[0] = other[0] == 'a' ? 'b' : 'a';
  auto stranger = settings();
  stranger.name = "another";
  for (const auto& mail :
       {dsn(recipient("failed", "5.1.1"), kId), dsn(recipient("failed", "5.1.1"), kId + "." + other),
        dsn(recipient("delivered", "2.0.0"), "", "Message-ID: <" + kEcho.message_id.text() + "@example.org>\n"),
        dsn(token(), ""), arf("Feedback-Type: abuse\n", "")}) {
    INFO(mail);
    const auto verdict = provider->verify(came(mail));
    CHECK(!verdict.is_genuine);
    CHECK(verdict.is_unsigned);
    CHECK(verdict.reason == "no token of ours");
    CHECK(!provider->receipts(came(mail)));
  }
  CHECK(!relay(stranger)->verify(came(dsn(recipient("failed", "5.1.1"), kId + "." + token()))).is_genuine);
  // Without a secret there are no reports at all.
  auto without = testing::smtp_settings();
  CHECK(!relay(without)->has_receipts());
  CHECK(!relay(without)->verify(came(dsn(recipient("failed", "5.1.1"), kId + "." + token()))).is_genuine);
}

TEST_CASE("a mail to the bounce address that is no report is heard and says nothing") {
  const auto provider = relay();
  for (const std::string& head :
       {std::string("Subject: Out of office\nAuto-Submitted: auto-replied\n"),
        std::string("Content-Type: multipart/mixed; boundary=b\n"), std::string("Content-Type: multipart/report\n")}) {
    const auto mail = "To: bounces+" + token() + "@example.org\n" + head + "\nI am away.\n--b\n\ntext\n--b--\n";
    CHECK(provider->verify(came(mail)).is_genuine);
    check_receipts(provider->receipts(came(mail)), {});
  }
}

TEST_CASE("complaints suppress and nothing else does") {
  const auto provider = relay();
  const auto ours = "X-Signet-Token: " + token() + "\n";
  struct Row {
    std::string type;
    std::vector<Told> told;
  };
  for (auto& row : std::vector<Row>{{"abuse", {{complained, "abuse"}}},
                                    {"Abuse (spam)", {{complained, "abuse"}}},
                                    {"fraud", {{complained, "fraud"}}},
                                    {"virus", {{complained, "virus"}}},
                                    {"opt-out", {{opted_out, "opt-out"}}},
                                    {"not-spam", {}},
                                    {"auth-failure", {}},
                                    {"other", {}},
                                    {"something-new", {}}}) {
    INFO(row.type);
    const auto mail = arf("Feedback-Type: " + row.type + "\n", ours);
    CHECK(provider->verify(came(mail)).is_genuine);
    check_receipts(provider->receipts(came(mail)), row.told);
  }
  const auto verp = "bounces+" + token() + "@example.org";
  for (const auto& mail : {arf("Feedback-Type: abuse\nOriginal-Mail-From: <" + verp + ">\n", ""),
                           arf("Feedback-Type: abuse\nOriginal-Envelope-Id: " + kId + "." + token() + "\n", ""),
                           arf("Feedback-Type: abuse\n", "Return-Path: <" + verp + ">\n")})
    check_receipts(provider->receipts(came(mail)), {{complained, "abuse"}});
  CHECK(!provider->receipts(came(arf("", ours))));
}

TEST_CASE("the same report again has the same events, and another has others") {
  const auto provider = relay();
  const auto event = [&](const std::string& mail) {
    auto receipts = provider->receipts(came(mail));
    REQUIRE(receipts);
    REQUIRE(receipts->size() == 1);
    return receipts->front().event_id;
  };
  const auto envelope = kId + "." + token();
  CHECK(event(dsn(recipient("failed", "5.1.1"), envelope)) ==
        event(dsn(recipient("failed", "5.1.1"), envelope, "X: y\n")));
  CHECK(event(dsn(recipient("delayed", "4.4.1"), envelope)) != event(dsn(recipient("failed", "4.4.1"), envelope)));
  CHECK(event(dsn(recipient("failed", "5.1.1"), envelope)) !=
        event(arf("Feedback-Type: abuse\n", "X-Signet-Token: " + token() + "\n")));
}

TEST_CASE("parts may be encoded, global, or a whole mail") {
  const auto provider = relay();
  const auto status = "Reporting-MTA: dns; relay.example\nOriginal-Envelope-Id: " + kId + "." + token() + "\n\n" +
                      recipient("failed", "5.1.1");
  const auto report = [&](const std::string& part) {
    return "To: x@example.org\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; "
           "boundary=b\n\n--b\nContent-Type: text/plain\n\nSorry.\n--b\n" +
           part + "\n--b\nContent-Type: message/rfc822\n\nSubject: Your results\n\nHello.\n--b--\n";
  };
  for (const auto& part :
       {"Content-Type: message/delivery-status\n\n" + status,
        "Content-Type: Message/Delivery-Status; name=x\n\n" + status,
        "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\n" + status,
        "Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n" + to_base64(status)}) {
    INFO(part);
    CHECK(provider->verify(came(report(part))).is_genuine);
    check_receipts(provider->receipts(came(report(part))), {{bounced, "5.1.1"}});
  }
  // A whole mail is given back, as RET=FULL asks, and what comes behind a cut is missed by nobody.
  auto full = report("Content-Type: message/delivery-status\n\n" + status);
  full.resize(full.find("Subject: Your results"));
  check_receipts(provider->receipts(came(full)), {{bounced, "5.1.1"}});
}

TEST_CASE("rubbish is no report and never a crash") {
  const auto provider = relay();
  std::string nested, digests;
  for (int i = 0; i < 5000; i++) {
    const auto boundary = "b" + std::to_string(i);
    nested += "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--" + boundary + "\n";
    digests += "Content-Type: message/rfc822\n\n";
  }
  std::string below;  // as deep as is read at all
  for (int i = 0; i < 190; i++)
    below += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\n\n--b" + std::to_string(i) + "\n";
  for (const auto& mail :
       {std::string(), std::string("{"), std::string("<html>502 Bad Gateway</html>"), std::string("\0\0\0", 3),
        std::string("\xff\xfe"), std::string(":\n:\n"), std::string("\n\n\n"), std::string(10 << 20, 'a'),
        std::string(1 << 20, '\n'), std::string(1 << 20, ':'), nested, digests, below,
        std::string("Content-Type: multipart/report; boundary=\"\"\n\n--\n"),
        std::string(
            "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\xff: \xff\n"),
        std::string("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"),
        std::string("Content-Type: multipart/report; boundary=b\n\n--b--\n"),
        std::string("To: ") + std::string(1 << 20, 'a'), std::string("=?utf-8?b?") + std::string(100000, '?')}) {
    INFO(mail.substr(0, 100) << " (" << mail.size() << ")");
    CHECK(!provider->verify(came(mail)).is_genuine);
    CHECK(!provider->receipts(came(mail)));
  }
  // Genuine, and broken at every place.
  const auto whole =
      dsn(recipient("failed", "5.1.1", "smtp; 550 5.1.1 no"), kId + "." + token(), "", "bounces+" + token() + "@x.y");
  for (size_t size = 0; size < whole.size(); size += 7) {
    const auto receipts = provider->receipts(came(whole.substr(0, size)));
    if (receipts && !receipts->empty()) CHECK(name(receipts->front().kind) != name(delivered));
  }
}

TEST_CASE("with a secret a mail goes out under its token, and asks for success too") {
  const auto provider = relay();
  CHECK(provider->has_receipts());
  CHECK(provider->has_echo());
  CHECK(provider->callback_way() == CallbackWay::mail);
  const auto mail = provider->build_mail(testing::outbound(Kind::email), WallTime{1795305600000000});
  REQUIRE(mail);
  CHECK(mail->from == "bounces+" + token() + "@example.org");
  CHECK(mail->envelope_id == kId + "." + token());
  CHECK(mail->envelope_id.size() <= 100);  // RFC 3461 section 4.4
  CHECK(mail->wants_success);
  CHECK(mail->data.find("\r\nX-Signet-Token: " + token() + "\r\n") != std::string::npos);
  CHECK(mail->data.find("\r\nFrom: Clinic <clinic@example.org>\r\n") != std::string::npos);
  // Without an address of its own for what comes back, the sender stays.
  auto plain = settings();
  plain.values.erase("bounce_address");
  CHECK(relay(plain)->build_mail(testing::outbound(Kind::email), WallTime{1})->from == "clinic@example.org");
  const auto silent = relay(testing::smtp_settings())->build_mail(testing::outbound(Kind::email), WallTime{1});
  CHECK(silent->from == "clinic@example.org");
  CHECK(silent->envelope_id == kId);
  CHECK(!silent->wants_success);
  CHECK(silent->data.find("Token") == std::string::npos);
}

TEST_CASE("settings of reports that cannot work are refused by key") {
  struct Row {
    std::string key, value, says;
  };
  for (auto& row : std::vector<Row>{{"bounce_address", "bounces", "bounce_address"},
                                    {"bounce_address", "sixteen.letters_@example.org", "bounce_address"},
                                    {"bounce_address", "a b@example.org", "bounce_address"},
                                    {"bounce_address", "@example.org", "bounce_address"},
                                    {"letter_pdf", "yes", "letter_pdf"}}) {
    INFO(row.value);
    auto of = settings();
    of.values[row.key] = row.value;
    auto made = make_provider(of);
    REQUIRE(!made);
    CHECK(made.error().text.find(": " + row.says + ": ") != std::string::npos);
  }
  auto of = settings();
  of.secrets.clear();
  CHECK(make_provider(of).error().text.find("webhook_secret_file") != std::string::npos);
  of.secrets.emplace("webhook_secret", Secret("short"));
  CHECK(make_provider(of).error().text.find("webhook_secret_file") != std::string::npos);
  of.secrets.clear();
  of.values.erase("bounce_address");
  of.secrets.emplace("previous_webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  CHECK(make_provider(of).error().text.find("webhook_secret_file") != std::string::npos);
  // A key that was is believed while reports about what it signed come in.
  of.secrets.emplace("webhook_secret", Secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
  CHECK(relay(of)->verify(came(dsn(recipient("failed", "5.1.1"), kId + "." + token()))).is_genuine);
}

}  // namespace signet
