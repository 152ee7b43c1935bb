#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/providers/adapter_tables.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::mailgun_settings;
using testing::outbound;

const std::string kId = "20130503182626.18666.16540@mg.example.org";
const std::string kEcho = "0193b3c4-0000-7000-8000-00000000abcd.2";
constexpr int64_t kAtS = 1529006854;

std::unique_ptr<Provider> mailgun(const ProviderSettings& settings = mailgun_settings()) {
  return testing::made(settings);
}

CallbackRequest callback(const std::string& event, const std::string& more = "") {
  const std::string token(50, 'a');
  CallbackRequest request;
  request.received_at = WallTime{kAtS * 1000000};
  request.body = R"({"signature":{"timestamp":")" + std::to_string(kAtS) + R"(","token":")" + token +
                 R"(","signature":")" + to_hex(view(hmac_sha256("key-sign", std::to_string(kAtS) + token))) +
                 R"("},"event-data":{"event":")" + event +
                 R"(","id":"CPgfbmQMTCKtHW6uIWtuVe","timestamp":1529006854.329574,"recipient":"a@example.net",)" +
                 R"("message":{"headers":{"message-id":")" + kId + R"("}},"user-variables":{"sid":")" + kEcho + "\"}" +
                 more + "}}";
  return request;
}

}  // namespace

TEST_CASE("mailgun builds exactly the documented request") {
  const auto request = mailgun()->build(outbound(Kind::email));
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/v3/mg.example.org/messages");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  REQUIRE(request.headers.size() == 2);
  const std::string type = "multipart/form-data; boundary=", &got = request.headers[1].second;
  REQUIRE(got.substr(0, type.size()) == type);
  const std::string boundary = got.substr(type.size());
  CHECK((boundary.size() <= 70 && request.body.find(boundary + "\r\n") == 2));  // RFC 2046 section 5.1.1
  CHECK(request.headers == Headers{{"Authorization", "Basic " + to_base64("api:key-api")}, {"Content-Type", got}});
  auto part = [&](const std::string& name, const std::string& value) {
    return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
  };
  CHECK(request.body == part("from", "Clinic <clinic@example.org>") + part("to", "patient@example.net") +
                            part("subject", "Your results") + part("text", "Your results are ready.") +
                            part("v:sid", kEcho) + "--" + boundary + "--\r\n");
  auto settings = mailgun_settings();
  settings.values.erase("base_url");
  CHECK(mailgun(settings)->build(outbound(Kind::email)).url == "https://api.mailgun.net/v3/mg.example.org/messages");
}

TEST_CASE("mailgun refuses settings that cannot work and names the key") {
  testing::check_refusals(mailgun_settings(), {{"domain", "mg.example.org/../x"},
                                               {"domain", "a b"},
                                               {"from", "Clinic"},
                                               {"base_url", "http://api.mailgun.net"}});
  auto settings = mailgun_settings();
  settings.secrets.erase("signing_key");
  CHECK(!mailgun(settings)->has_receipts());
  CHECK(!mailgun(settings)->verify(callback("delivered")).is_genuine);
}

TEST_CASE("mailgun reads every kind of reply") {
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, provider = FaultScope::provider, credential = FaultScope::credential;
  auto said = [](const std::string& text) { return R"({"message":")" + text + "\"}"; };
  const auto adapter = mailgun();
  auto rows = testing::rows_by_status();
  rows.insert(
      rows.end(),
      {{200,
        R"({"id":"<)" + kId + R"(>","message":"Queued. Thank you."})",
        accepted,
        "",
        "",
        FaultScope::message,
        false,
        false,
        {},
        kId},
       {200, R"({"id":"","message":"Queued. Thank you."})", in_doubt, "unreadable_reply", "", provider},
       {200, R"({"id":"<a b@c>"})", in_doubt, "unreadable_reply", "", provider},
       {200, R"({"id":"<no-at>"})", in_doubt, "unreadable_reply", "", provider},
       {200, R"({"id":7})", in_doubt, "unreadable_reply", "", provider},
       {202, R"({"id":"<)" + kId + R"(>"})", in_doubt, "unreadable_reply", "", provider},
       {400, said("'to' parameter is not a valid address. please check documentation"), permanent, "message_refused"},
       {400, said("Sandbox subdomains are for test purposes only."), retryable, "account_refused", "", account},
       {400, said("Domain mg.example.org is not allowed to send: unverified"), retryable, "account_refused", "",
        account},
       {400, said("Please activate your Mailgun account."), retryable, "account_refused", "", account},
       {401, "Forbidden", retryable, "auth_failed", "", credential},
       {402, said("Request failed"), retryable, "account_refused", "", account},
       {403, said("Forbidden"), retryable, "auth_failed", "", credential},
       {404, said("Domain not found"), retryable, "account_refused", "", account},
       {404, "", retryable, "account_refused", "", account},
       {413, said("too large"), permanent, "message_refused"},
       {429, said("limit"), retryable, "throttled", "", account, true},
       {500, said("x"), retryable, "provider_error", "", provider}});
  testing::check_replies(*adapter, rows);
  const auto outcome =
      adapter->parse({429,
                      {{"date", "Thu, 02 Jul 2020 15:00:10 GMT"}},
                      said("Domain mg.example.org is not allowed to send: request limit exceeded, try again after "
                           "Thu, 02 Jul 2020 15:09:10 UTC")});
  CHECK(outcome.retry_after_ms == 540000);
  CHECK(adapter->parse({429, {}, said("request limit exceeded, try again after 120 seconds")}).retry_after_ms ==
        120000);
}

TEST_CASE("mailgun's published signatures verify, tampered and old ones do not") {
  const auto vectors = testing::webhook_vectors("mailgun-hmac-sha256-body");
  for (auto& vector : vectors) {
    INFO(vector.name);
    auto settings = mailgun_settings();
    settings.secrets["signing_key"] = Secret("another\n" + vector.key);
    const auto provider = mailgun(settings);
    auto request = vector.request;
    const auto body = nlohmann::json::parse(request.body);
    const std::string timestamp = body["signature"]["timestamp"], token = body["signature"]["token"];
    request.received_at = WallTime{std::stoll(timestamp) * 1000000};
    const auto verdict = provider->verify(request);
    CHECK(verdict.is_genuine == vector.is_valid);
    if (!vector.is_valid) continue;
    CHECK(verdict.replay_key == token);  // the event is not covered: a token counts once
    REQUIRE(provider->receipts(request));
    for (int64_t off_s : {299, -299}) {
      auto late = request;
      late.received_at.us += off_s * 1000000;
      CHECK(provider->verify(late).is_genuine);
    }
    for (int64_t off_s : {301, -301, 86400}) {
      auto late = request;
      late.received_at.us += off_s * 1000000;
      CHECK(provider->verify(late).reason == "too old");
    }
    for (const std::string& part : {timestamp, token, std::string(body["signature"]["signature"])}) {
      auto tampered = request;
      auto& digit = tampered.body[tampered.body.find(part)];
      digit = digit == '1' ? '2' : '1';
      CHECK(provider->verify(tampered).reason == "bad signature");
    }
    settings.secrets["signing_key"] = Secret("another");
    CHECK(mailgun(settings)->verify(request).reason == "bad signature");
  }
  const auto provider = mailgun();
  for (std::string body : {"", "{", "[]", "{}", R"({"signature":{}})", R"({"signature":"x"})",
                           R"({"signature":{"timestamp":"1","token":"t"}})", "\xff"}) {
    CallbackRequest request;
    request.body = body;
    CHECK(provider->verify(request).is_unsigned);
  }
}

TEST_CASE("mailgun's events become receipts with the echo of the attempt") {
  const auto provider = mailgun();
  const std::string permanent = R"(,"severity":"permanent","reason":)",
                    temporary = R"(,"severity":"temporary","reason":)";
  testing::check_events(
      *provider, kEcho, kId, "CPgfbmQMTCKtHW6uIWtuVe:1529006854",
      {
          {"accepted", "", "queued"},
          {"delivered", R"(,"delivery-status":{"code":250})", "delivered", "250"},
          {"failed", permanent + R"("bounce","delivery-status":{"code":550,"enhanced-code":"5.1.1"})", "bounced",
           "5.1.1"},
          {"failed", permanent + R"("bounce","delivery-status":{"code":605})", "bounced", "605"},
          {"failed", permanent + R"("old","delivery-status":{"code":602})", "failed", "602"},
          {"failed", permanent + R"("espblock")", "failed"},
          {"failed", permanent + R"("generic","delivery-status":{"code":452})", "failed", "452"},
          {"failed", permanent + R"("suppress-bounce","delivery-status":{"code":605})", "failed opted_out",
           "suppress-bounce"},
          {"failed", permanent + R"("suppress-complaint")", "failed opted_out", "suppress-complaint"},
          {"failed", permanent + R"("suppress-unsubscribe")", "failed opted_out", "suppress-unsubscribe"},
          {"failed", temporary + R"("generic","delivery-status":{"code":421})", "sent", "421"},
          {"failed", "", "sent"},  // nothing proven
          {"rejected", "", "failed"},
          {"complained", "", "complained"},
          {"unsubscribed", "", "opted_out"},
          {"opened", "", ""},
          {"clicked", "", ""},
          {"stored", "", ""},
      },
      [&](const auto& row) { return callback(row.event, row.more); });
}

TEST_CASE("a mailgun event that cannot be read is an error, and one of another's mail is none") {
  const auto provider = mailgun();
  CallbackRequest request;
  for (std::string bad : {"", "{", "[]", "{}", R"({"event-data":7})", "\xff",
                          R"({"event-data":{"event":"delivered","message":{"headers":{"message-id":"a@b"}}}})"}) {
    request.body = bad;
    CHECK(!provider->receipts(request));
  }
  request.body = R"({"event-data":{"event":"delivered","id":"1","timestamp":1.5}})";
  const auto receipts = provider->receipts(request);
  REQUIRE(receipts);
  CHECK(receipts->empty());
}

TEST_CASE("mailgun is answered 200, and 406 where trying again is of no use") {
  const auto provider = mailgun();
  CHECK(provider->reply_to(CallbackEnd::kept).status == 200);
  CHECK(provider->reply_to(CallbackEnd::unreadable).status == 406);
  for (auto end : {CallbackEnd::unsigned_, CallbackEnd::forged}) {
    CHECK(provider->reply_to(end).status >= 400);
    CHECK(provider->reply_to(end).status != 406);
  }
}

}  // namespace signet
