#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/signature.h"
#include "tests/providers/adapter_tables.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::sendgrid_settings;

const std::string kId = "LRzXl_NHStOGhQ4kofSm_A";
const std::string kEcho = "0193b3c4-0000-7000-8000-00000000abcd.2";

std::unique_ptr<Provider> sendgrid(const ProviderSettings& settings = sendgrid_settings()) {
  return testing::made(settings);
}

CallbackRequest callback(const std::string& body) {
  CallbackRequest request;
  request.body = body;
  return request;
}

std::string event(const std::string& word, const std::string& more = "") {
  return R"({"email":"a@example.net","timestamp":1600112492,"event":")" + word +
         R"(","sg_event_id":"ev-1","sg_message_id":")" + kId + R"(.filterdrecv-1.0","sid":")" + kEcho + "\"" + more +
         "}";
}

}  // namespace

TEST_CASE("sendgrid builds exactly the documented request") {
  const auto request = sendgrid()->build(outbound(Kind::email));
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/v3/mail/send");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"Authorization", "Bearer SG.key"}, {"Content-Type", "application/json"}});
  CHECK(request.body == R"({"personalizations":[{"to":[{"email":"patient@example.net"}],"custom_args":{"sid":")" +
                            kEcho +
                            R"("}}],"from":{"email":"clinic@example.org","name":"Clinic"},"subject":"Your results",)"
                            R"("content":[{"type":"text/plain","value":"Your results are ready."}]})");
  auto settings = sendgrid_settings();
  settings.values.erase("base_url");
  settings.values["from"] = "clinic@example.org";
  const auto other = sendgrid(settings)->build(outbound(Kind::email));
  CHECK(other.url == "https://api.sendgrid.com/v3/mail/send");
  CHECK(other.body.find(R"("from":{"email":"clinic@example.org"})") != std::string::npos);
}

TEST_CASE("sendgrid refuses settings that cannot work and names the key") {
  testing::check_refusals(sendgrid_settings(), {{"base_url", "http://api.sendgrid.com"},
                                                {"from", "Clinic"},
                                                {"webhook_key", "MFkw"},
                                                {"webhook_key", "not base64!"}});
  auto settings = sendgrid_settings();
  settings.secrets["api_key"] = Secret("two\nlines");
  REQUIRE(!make_provider(settings));
  CHECK(make_provider(settings).error().text.find("api_key_file") != std::string::npos);
  settings = sendgrid_settings();
  settings.values.erase("webhook_key");
  CHECK(!sendgrid(settings)->has_receipts());
  CHECK(!sendgrid(settings)->verify({}).is_genuine);
}

TEST_CASE("sendgrid reads every kind of reply") {
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, sender = FaultScope::sender, provider = FaultScope::provider,
                 credential = FaultScope::credential;
  const std::vector<std::pair<std::string, std::string>> with_id{{"x-message-id", kId}};
  auto error = [](const std::string& text) {
    return R"({"errors":[{"message":")" + text + R"(","field":null,"help":null}]})";
  };
  const auto adapter = sendgrid();
  testing::check_replies(*adapter, testing::rows_by_status());
  testing::check_replies(
      *adapter, {{202, "", accepted, "", "", FaultScope::message, false, false, with_id, kId},
                 {202, "", in_doubt, "unreadable_reply", "", provider},
                 {202, "<html>", in_doubt, "unreadable_reply", "", provider, false, false, with_id},
                 {202, "", in_doubt, "unreadable_reply", "", provider, false, false, {{"x-message-id", "a b\r\n"}}},
                 {200, "", in_doubt, "unreadable_reply", "", provider, false, false, with_id},  // the sandbox mode's
                 {400, error("Does not contain a valid address."), permanent, "message_refused"},
                 {404, error("not found"), permanent, "message_refused"},
                 {401, error("The provided authorization grant is invalid"), retryable, "auth_failed", "", credential},
                 {401, error("Maximum credits exceeded"), retryable, "account_refused", "", account},
                 {403, error("access forbidden"), retryable, "auth_failed", "", credential},
                 {403, error("The from address does not match a verified Sender Identity."), retryable,
                  "sender_refused", "", sender},
                 {400, error("Maximum credits exceeded"), permanent, "message_refused"},
                 {429, error("too many requests"), retryable, "throttled", "", account, true}});
  const auto outcome = adapter->parse({429,
                                       {{"date", "Sun, 22 Nov 2026 12:00:00 GMT"}, {"x-ratelimit-reset", "1795348830"}},
                                       error("too many requests")});
  CHECK(outcome.retry_after_ms == 30000);
}

TEST_CASE("sendgrid's published signatures verify and tampered ones do not") {
  const auto vectors = testing::webhook_vectors("sendgrid-ecdsa-p256-sha256");
  CHECK(vectors.size() == 5);
  for (auto& vector : vectors) {
    INFO(vector.name);
    auto settings = sendgrid_settings();
    settings.values["webhook_key"] = vector.key;
    const auto provider = sendgrid(settings);
    CHECK(provider->verify(vector.request).is_genuine == vector.is_valid);
    if (!vector.is_valid) continue;
    REQUIRE(provider->receipts(vector.request));
    auto tampered = vector.request;
    tampered.body.pop_back();  // the line's end is signed too
    CHECK(provider->verify(tampered).reason == "bad signature");
    for (const char* header : {"x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"}) {
      tampered = vector.request;
      std::erase_if(tampered.headers, [&](auto& one) { return one.first == header; });
      const auto verdict = provider->verify(tampered);
      CHECK(!verdict.is_genuine);
      CHECK(verdict.is_unsigned == (std::string(header).ends_with("signature")));
      tampered = vector.request;
      tampered.headers.emplace_back(header, "1");
      CHECK(!provider->verify(tampered).is_genuine);
      tampered = vector.request;
      for (auto& [name, value] : tampered.headers)
        if (name == header) value.front() = value.front() == '2' ? '3' : '2';
      CHECK(!provider->verify(tampered).is_genuine);
    }
    // While the key is changed, both are good.
    settings.values["webhook_key"] = testing::sendgrid_settings().values["webhook_key"] + " " + vector.key;
    CHECK(sendgrid(settings)->verify(vector.request).is_genuine);
  }
}

TEST_CASE("sendgrid's events become receipts with the echo of the attempt") {
  const auto provider = sendgrid();
  testing::check_events(
      *provider, kEcho, kId, "ev-1",
      {
          {"processed", "", "queued"},
          {"deferred", R"(,"response":"400 later","attempt":"5")", "sent"},
          {"delivered", R"(,"response":"250 OK")", "delivered"},
          {"bounce", R"(,"type":"bounce","status":"5.1.1","reason":"550 no such user")", "bounced", "5.1.1"},
          {"bounce", R"(,"type":"blocked","status":"5.2.2")", "failed", "5.2.2"},
          {"bounce", R"(,"type":"expired")", "failed"},
          {"bounce", R"(,"status":"patient@example.net")", "bounced", ""},
          {"dropped", R"(,"reason":"Bounced Address")", "failed", "bounced_address"},
          {"dropped", R"(,"reason":"Invalid")", "failed", "invalid"},
          {"dropped", R"(,"reason":"Spam Content")", "failed", "spam_content"},
          {"dropped", R"(,"reason":"Recipient List over Package Quota")", "failed", "over_package_quota"},
          {"dropped", R"(,"reason":"something new")", "failed", "dropped"},
          {"dropped", R"(,"reason":"Unsubscribed Address")", "failed opted_out", "unsubscribed_address"},
          {"dropped", R"(,"reason":"Spam Reporting Address")", "failed opted_out", "spam_reporting_address"},
          {"spamreport", "", "complained"},
          {"unsubscribe", "", "opted_out"},
          {"group_unsubscribe", "", "opted_out"},
          {"group_resubscribe", "", ""},
          {"open", "", ""},
          {"click", "", ""},
          {"levitating", "", ""},
      },
      [&](const auto& row) { return callback("[" + event(row.event, row.more) + "]\r\n"); });
}

TEST_CASE("of a batch, each event of ours counts and keeps its own part") {
  const auto provider = sendgrid();
  const auto receipts = provider->receipts(
      callback("[" + event("processed") + ",\r\n" + event("open") + ",{}," +
               R"({"event":"delivered","sg_message_id":"other.filter-1","sg_event_id":"<>"},{"event":"delivered"}])"));
  REQUIRE(receipts);
  REQUIRE(testing::kinds_of(*receipts) == "queued delivered");
  CHECK(!receipts->at(1).message_id);
  CHECK(receipts->at(1).provider_reference == "other");
  CHECK(receipts->at(1).event_id.size() == 64);  // of its octets, since its own is none
  CHECK(receipts->at(0).part.find("other") == std::string::npos);
  CHECK(receipts->at(1).part.find(kEcho) == std::string::npos);
  const auto padded = provider->receipts(
      callback(R"([{"event":"delivered","sg_message_id":"other.filter-1","sg_event_id":"6g4ZI7SA-xmRDv57GoPIPw=="}])"));
  REQUIRE(padded);
  REQUIRE(padded->size() == 1);
  CHECK(padded->front().event_id == "6g4ZI7SA-xmRDv57GoPIPw==");  // as SendGrid's own examples have it
  REQUIRE(provider->receipts(callback("[]")));
  for (std::string bad : {"", "{", "null", "{}", "[1]", "[[]]", "[\"x\"]", "\xff", R"([{"event":"a","event":"b"}])"})
    CHECK(!provider->receipts(callback(bad)));
  CHECK(!provider->receipts(callback(std::string(100000, '['))));
}

}  // namespace signet
