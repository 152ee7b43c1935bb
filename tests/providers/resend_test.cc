#include "base/bytes.h"
#include "providers/standard_webhook.h"
#include "tests/providers/adapter_tables.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::resend_settings;

const std::string kId = "56761188-7520-42d8-8898-ff6fc54ce618";
const std::string kTag = "0193b3c4-0000-7000-8000-00000000abcd";

std::unique_ptr<Provider> resend(const ProviderSettings& settings = resend_settings()) {
  return testing::made(settings);
}

CallbackRequest callback(const std::string& type, const std::string& more = "") {
  CallbackRequest request;
  request.headers = {{"svix-id", "msg_1"}};
  request.body = R"({"type":")" + type + R"(","created_at":"2026-11-22T12:00:00Z","data":{"email_id":")" + kId +
                 R"(","to":["a@example.net"],"tags":{"sid":")" + kTag + "\"}" + more + "}}";
  return request;
}

}  // namespace

TEST_CASE("resend builds exactly the documented request") {
  const auto request = resend()->build(outbound(Kind::email));
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/emails");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"Authorization", "Bearer re_key"},
                                   {"Content-Type", "application/json"},
                                   {"Idempotency-Key", "0193b3c4-0000-7000-8000-00000000abcd.1.0"}});
  CHECK(request.body ==
        R"({"from":"Clinic <clinic@example.org>","to":["patient@example.net"],"subject":"Your results",)"
        R"("text":"Your results are ready.","tags":[{"name":"sid","value":")" +
            kTag + R"("}]})");
  auto settings = resend_settings();
  settings.values.erase("base_url");
  CHECK(resend(settings)->build(outbound(Kind::email)).url == "https://api.resend.com/emails");
  CHECK(resend()->key_life_ms() == 86400000);
}

TEST_CASE("resend gets the same body with the same key, whichever attempt it is") {
  auto message = outbound(Kind::email);
  const auto first = resend()->build(message);
  message.attempt_no++;
  message.at.us += 60'000'000;
  const auto repeat = resend()->build(message);
  CHECK(repeat.headers == first.headers);
  CHECK(repeat.body == first.body);  // else 409 invalid_idempotent_request
}

TEST_CASE("resend refuses settings that cannot work and names the key") {
  auto settings = resend_settings();
  settings.secrets["webhook_secret"] = Secret("whsec_short");
  REQUIRE(!make_provider(settings));
  CHECK(make_provider(settings).error().text.find("webhook_secret_file") != std::string::npos);
  settings = resend_settings();
  settings.values["from"] = "Clinic";
  REQUIRE(!make_provider(settings));
  CHECK(make_provider(settings).error().text.find("from") != std::string::npos);
  settings = resend_settings();
  settings.secrets.erase("webhook_secret");
  CHECK(!resend(settings)->has_receipts());
}

TEST_CASE("resend reads every kind of reply") {
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, provider = FaultScope::provider, credential = FaultScope::credential;
  auto error = [](const std::string& name) { return R"({"statusCode":400,"name":")" + name + R"(","message":"x"})"; };
  const auto adapter = resend();
  auto rows = testing::rows_by_status();
  rows.insert(rows.end(),
              {{200, R"({"id":")" + kId + "\"}", accepted, "", "", FaultScope::message, false, false, {}, kId},
               {201, R"({"id":")" + kId + "\"}", in_doubt, "unreadable_reply", "", provider},
               {200, R"({"id":""})", in_doubt, "unreadable_reply", "", provider},
               {200, R"({"id":"a b"})", in_doubt, "unreadable_reply", "", provider},
               {200, R"({"id":null})", in_doubt, "unreadable_reply", "", provider},
               {200, R"({"id":"a","id":"b"})", in_doubt, "unreadable_reply", "", provider},
               {200, error("rate_limit_exceeded"), in_doubt, "unreadable_reply", "", provider},
               {400, error("invalid_idempotency_key"), permanent, "message_refused", "invalid_idempotency_key"},
               {400, error("validation_error"), permanent, "message_refused", "validation_error"},
               {400, R"({"statusCode":400,"name":"validation_error","message":"API key is invalid"})", retryable,
                "auth_failed", "validation_error", credential},
               {401, error("validation_error"), retryable, "auth_failed", "validation_error", credential},
               {200, R"({"name":"validation_error","message":"API key is invalid"})", in_doubt, "unreadable_reply", "",
                provider},
               {401, error("missing_api_key"), retryable, "auth_failed", "missing_api_key", credential},
               {401, error("restricted_api_key"), retryable, "auth_failed", "restricted_api_key", credential},
               {403, error("invalid_api_key"), retryable, "auth_failed", "invalid_api_key", credential},
               {403, error("validation_error"), retryable, "auth_failed", "validation_error", credential},
               {403, "", retryable, "auth_failed", "", credential},
               {404, error("not_found"), permanent, "message_refused", "not_found"},
               {409, error("invalid_idempotent_request"), permanent, "message_refused", "invalid_idempotent_request"},
               {409, error("concurrent_idempotent_requests"), retryable, "provider_error",
                "concurrent_idempotent_requests", provider},
               {422, error("missing_required_field"), permanent, "message_refused", "missing_required_field"},
               {422, error("invalid_from_address"), permanent, "message_refused", "invalid_from_address"},
               {451, error("security_error"), permanent, "message_refused", "security_error"},
               {422, error("a name with blanks"), permanent, "message_refused"},
               {429, error("rate_limit_exceeded"), retryable, "throttled", "rate_limit_exceeded", account, true},
               {429, error("daily_quota_exceeded"), retryable, "throttled", "daily_quota_exceeded", account, true},
               {429, error("monthly_quota_exceeded"), retryable, "throttled", "monthly_quota_exceeded", account, true},
               {500, error("application_error"), retryable, "provider_error", "application_error", provider},
               {500, error("internal_server_error"), retryable, "provider_error", "internal_server_error", provider}});
  testing::check_replies(*adapter, rows);

  using Headers = std::vector<std::pair<std::string, std::string>>;
  struct Row {
    Headers headers;
    std::string name;
    std::optional<int64_t> ms;
  };
  for (auto& row : std::vector<Row>{{{{"ratelimit-reset", "3"}}, "rate_limit_exceeded", 3000},
                                    {{{"ratelimit-reset", "3"}, {"retry-after", "5"}}, "rate_limit_exceeded", 5000},
                                    {{}, "rate_limit_exceeded", std::nullopt},
                                    {{}, "daily_quota_exceeded", 3600000},
                                    {{{"retry-after", "7200"}}, "monthly_quota_exceeded", 7200000}})
    CHECK(adapter->parse({429, row.headers, error(row.name)}).retry_after_ms == row.ms);
}

TEST_CASE("resend's published signatures verify and tampered ones do not") {
  for (auto& vector : testing::webhook_vectors("standard-webhooks-v1", "resend")) {
    INFO(vector.name);
    auto settings = resend_settings();
    settings.secrets["webhook_secret"] = Secret(vector.key);
    auto request = vector.request;
    for (auto& [name, value] : request.headers)
      if (name == "svix-timestamp") request.received_at = WallTime{std::stoll(value) * 1000000};
    CHECK(resend(settings)->verify(request).is_genuine == vector.is_valid);
    // While the secret is changed, both are good.
    settings.secrets["webhook_secret"] = Secret("whsec_" + to_base64(std::string(24, 'x')) + "\n" + vector.key + "\n");
    CHECK(resend(settings)->verify(request).is_genuine);
    auto tampered = request;
    tampered.body += " ";
    CHECK(resend(settings)->verify(tampered).reason == "bad signature");
    tampered = request;
    tampered.received_at.us += 301 * int64_t{1000000};
    CHECK(resend(settings)->verify(tampered).reason == "too old");
    tampered = request;
    std::erase_if(tampered.headers, [](auto& header) { return header.first == "svix-signature"; });
    CHECK(resend(settings)->verify(tampered).is_unsigned);
  }
}

TEST_CASE("resend's events become receipts of the mail with this id") {
  const auto provider = resend();
  testing::check_events(
      *provider, "", kId, "msg_1",
      {
          {"email.scheduled", "", "queued"},
          {"email.sent", "", "sent"},
          {"email.delivery_delayed", "", "sent"},
          {"email.delivered", "", "delivered"},
          {"email.bounced", R"(,"bounce":{"type":"Permanent","subType":"General","message":"x"})", "bounced",
           "General"},
          {"email.bounced", R"(,"bounce":{"type":"Transient","subType":"MailboxFull"})", "failed", "MailboxFull"},
          {"email.bounced", R"(,"bounce":{"subType":"a@example.net"})", "bounced"},
          {"email.complained", "", "complained"},
          {"email.failed", "", "failed"},
          {"email.failed", R"(,"failed":{"reason":"reached_daily_quota"})", "failed", "reached_daily_quota"},
          {"email.failed", R"(,"failed":{"reason":"of a@example.net"})", "failed"},
          {"email.suppressed", "", "failed opted_out"},
          {"email.suppressed", R"(,"suppressed":{"type":"OnAccountSuppressionList","message":"x"})", "failed opted_out",
           "OnAccountSuppressionList"},
          {"email.opened", "", ""},
          {"email.clicked", "", ""},
          {"contact.created", "", ""},
      },
      [&](const auto& row) { return callback(row.event, row.more); });
}

TEST_CASE("a resend event that cannot be read is an error, and one without an id is of nothing of ours") {
  const auto provider = resend();
  auto request = callback("email.sent");
  for (std::string data : {R"({})", R"({"email_id":"","tags":{"sid":"0193b3c4-0000-7000-8000-00000000abcd"}})"}) {
    request.body = R"({"type":"email.sent","data":)" + data + "}";
    const auto receipts = provider->receipts(request);
    REQUIRE(receipts);
    CHECK(receipts->empty());
  }
  for (std::string bad : {"", "{", "[]", "{}", R"({"type":"email.sent"})", "\xff"}) {
    request.body = bad;
    CHECK(!provider->receipts(request));
  }
}

TEST_CASE("resend is answered 200, as it documents") {
  CHECK(resend()->reply_to(CallbackEnd::kept).status == 200);
  CHECK(resend()->reply_to(CallbackEnd::forged).status >= 400);
}

}  // namespace signet
