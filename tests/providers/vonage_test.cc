#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/webhook_crypto.h"
#include "tests/providers/support.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::vonage_settings;

const std::string kId = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";
const std::string kMessage = "0193b3c4-0000-7000-8000-00000000abcd";
constexpr WallTime kNow{1'795'307'286'000'000};

std::unique_ptr<Provider> vonage(const ProviderSettings& settings = vonage_settings()) {
  auto made = make_provider(settings);
  if (!made) FAIL(made.error().text);
  return std::move(*made);
}

std::string token_of(const nlohmann::json& claims, const std::string& secret = "signetd-vonage-signature-secret-0001") {
  const auto text = to_base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + to_base64url(claims.dump());
  return text + "." + to_base64url(view(hmac_sha256(secret, text)));
}

nlohmann::json claims_of(const std::string& body, int64_t at_s = kNow.us / 1'000'000) {
  return {{"iat", at_s}, {"jti", "j-1"}, {"iss", "Vonage"}, {"payload_hash", to_hex(view(sha256(body)))}};
}

CallbackRequest callback(const std::string& body, const nlohmann::json& claims) {
  CallbackRequest request;
  request.public_url = "https://signet.example/webhooks/v?m=" + kMessage + ".2";
  request.body = body;
  request.received_at = kNow;
  request.headers = {{"content-type", "application/json"}, {"authorization", "Bearer " + token_of(claims)}};
  return request;
}
CallbackRequest callback(const std::string& body) { return callback(body, claims_of(body)); }

std::string status_body(const std::string& status, const std::string& more = "") {
  return R"({"message_uuid":")" + kId + R"(","to":"15558675310","from":"Clinic","channel":"sms","status":")" + status +
         "\"" + more + "}";
}

}  // namespace

TEST_CASE("vonage builds exactly the documented request") {
  const auto request = vonage()->build(outbound());
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/v1/messages");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"Authorization", "Basic " + to_base64("a1b2c3d4:s3cret")},
                                   {"Content-Type", "application/json"},
                                   {"Accept", "application/json"}});
  CHECK(request.body ==
        R"({"message_type":"text","channel":"sms","to":"15558675310","from":"Clinic","text":"Your results are ready.",)"
        R"("client_ref":"0193b3c4-0000-7000-8000-00000000abcd.2",)"
        R"("webhook_url":"https://signet.example/webhooks/main?m=0193b3c4-0000-7000-8000-00000000abcd.2",)"
        R"("webhook_version":"v1"})");
}

TEST_CASE("vonage's sender goes without its plus, as the recipient does") {
  auto settings = vonage_settings();
  settings.values["from"] = "+15005550006";
  CHECK(vonage(settings)->build(outbound()).body.find(R"("to":"15558675310","from":"15005550006",)") !=
        std::string::npos);
}

TEST_CASE("vonage with a private key mints a token of its own for each attempt") {
  auto settings = vonage_settings();
  settings.secrets.emplace("private_key", Secret(testing::read_text("tests/base/rsa_key.pem")));
  settings.values["application_id"] = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
  auto message = outbound();
  const auto adapter = vonage(settings);
  const auto token_in = [](const HttpRequest& request) {
    REQUIRE(request.headers[0].second.starts_with("Bearer "));
    return request.headers[0].second.substr(7);
  };
  const auto token = token_in(adapter->build(message));
  const auto first = token.find('.'), last = token.rfind('.');
  const auto certificate = RsaVerifyKey::from_certificate(testing::read_text("tests/base/rsa_certificate.pem"));
  REQUIRE(certificate);
  CHECK(certificate->verify(WebhookHash::sha256, token.substr(0, last), *from_base64url(token.substr(last + 1))));
  const auto claims = nlohmann::json::parse(*from_base64url(token.substr(first + 1, last - first - 1)));
  CHECK(claims["application_id"] == "aaaaaaaa-bbbb-cccc-dddd-0123456789ab");
  CHECK(claims["iat"] == message.at.us / 1'000'000);
  CHECK(claims["exp"] == message.at.us / 1'000'000 + 900);
  CHECK(claims["jti"].get<std::string>().size() == 32);
  message.attempt_no++;
  CHECK(token_in(adapter->build(message)) != token);
}

TEST_CASE("vonage refuses settings that cannot work and names the key") {
  const struct {
    const char *key, *value, *says;
  } rows[] = {{"base_url", "http://api.nexmo.com", "in the clear"},
              {"api", "voice", "messages or sms"},
              {"private_key", "rubbish", "application_id"},
              {"api_secret", "", "private_key_file"},
              {"api_key", "", "private_key_file"}};
  for (const auto& row : rows) {
    INFO(row.key << "=" << row.value);
    auto settings = vonage_settings();
    const std::string key = row.key;
    if (key == "base_url" || key == "api")
      settings.values[key] = row.value;
    else
      settings.secrets[key] = Secret(row.value);
    const auto made = make_provider(settings);
    REQUIRE(!made);
    CHECK(made.error().text.find("\"vonage-main\"") != std::string::npos);
    CHECK(made.error().text.find(row.says) != std::string::npos);
    CHECK(made.error().text.find("s3cret") == std::string::npos);
  }
  auto settings = vonage_settings();
  settings.values["application_id"] = "a";
  settings.secrets["private_key"] = Secret("rubbish");
  const auto made = make_provider(settings);
  REQUIRE(!made);
  CHECK(made.error().text.find("private_key_file") != std::string::npos);
}

TEST_CASE("vonage without a signature secret expects no receipts") {
  auto settings = vonage_settings();
  settings.secrets.erase("signature_secret");
  const auto adapter = vonage(settings);
  CHECK_FALSE(adapter->has_receipts());
  CHECK_FALSE(adapter->has_echo());
  CHECK(adapter->build(outbound()).body.find("webhook_url") == std::string::npos);
  CHECK_FALSE(adapter->verify(callback(status_body("delivered"))).is_genuine);
}

TEST_CASE("vonage reads every kind of reply") {
  struct Row {
    int status;
    std::string body;
    OutcomeKind kind;
    std::string reason;
    std::string code = "";
    FaultScope scope = FaultScope::message;
    bool is_throttled = false;
    bool is_opted_out = false;
  };
  auto problem = [](int code) {
    return R"({"type":"https://developer.vonage.com/api-errors/messages#)" + std::to_string(code) +
           R"(","title":"x","detail":"y","instance":"z"})";
  };
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, sender = FaultScope::sender, recipient = FaultScope::recipient,
                 provider = FaultScope::provider, credential = FaultScope::credential;
  const auto adapter = vonage();
  for (const auto& row : std::vector<Row>{
           {202, R"({"message_uuid":")" + kId + "\"}", accepted, ""},
           {202, R"({"message_uuid":""})", in_doubt, "unreadable_reply", "", provider},
           {202, R"({"message_uuid":"a b"})", in_doubt, "unreadable_reply", "", provider},
           {202, R"({"message_uuid":"a","message_uuid":"b"})", in_doubt, "unreadable_reply", "", provider},
           {202, "", in_doubt, "unreadable_reply", "", provider},
           {200, "<html>ok</html>", in_doubt, "unreadable_reply", "", provider},
           {429, problem(1000), retryable, "throttled", "1000", account, true},
           {422, problem(1010), permanent, "message_refused", "1010"},
           {422, problem(1020), permanent, "message_refused", "1020"},
           {500, problem(1030), retryable, "provider_error", "1030", provider},
           {422, problem(1040), permanent, "message_refused", "1040"},
           {422, problem(1050), permanent, "recipient_refused", "1050", recipient},
           {403, problem(1060), retryable, "account_refused", "1060", account},
           {403, problem(1070), retryable, "account_refused", "1070", account},
           {500, problem(1100), retryable, "provider_error", "1100", provider},
           {422, problem(1120), retryable, "sender_refused", "1120", sender},
           {422, problem(1240), permanent, "opted_out", "1240", recipient, false, true},
           {500, problem(1330), retryable, "provider_error", "1330", provider},
           {422, problem(1080), retryable, "account_refused", "1080", account},
           {422, problem(1090), permanent, "message_refused", "1090"},
           {422, problem(1140), retryable, "account_refused", "1140", account},
           {422, problem(1160), retryable, "account_refused", "1160", account},
           {422, problem(1170), permanent, "unknown_recipient", "1170", recipient},
           {422, problem(1180), retryable, "recipient_unreachable", "1180", recipient},
           {422, problem(1190), permanent, "unknown_recipient", "1190", recipient},
           {422, problem(1200), permanent, "recipient_refused", "1200", recipient},
           {422, problem(1210), permanent, "message_refused", "1210"},
           {422, problem(1220), retryable, "recipient_unreachable", "1220", recipient},
           {422, problem(1230), retryable, "provider_error", "1230", provider},
           {422, problem(1241), retryable, "throttled", "1241", account, true},
           {422, problem(1250), permanent, "recipient_refused", "1250", recipient},
           {422, problem(1260), permanent, "recipient_refused", "1260", recipient},
           {422, problem(1270), permanent, "recipient_refused", "1270", recipient},
           {422, problem(1280), permanent, "recipient_refused", "1280", recipient},
           {422, problem(1290), permanent, "recipient_refused", "1290", recipient},
           {422, problem(1300), permanent, "unknown_recipient", "1300", recipient},
           {422, problem(1310), permanent, "recipient_refused", "1310", recipient},
           {422, problem(1331), retryable, "provider_error", "1331", provider},
           {422, problem(1360), permanent, "message_refused", "1360"},
           {422, R"({"type":"https://developer.nexmo.com/api-errors/messages-olympus","title":1120})", retryable,
            "sender_refused", "1120", sender},
           {401, R"({"type":"https://developer.vonage.com/api-errors#unauthorized","title":"Unauthorized"})", retryable,
            "auth_failed", "unauthorized", credential},
           {402, "", retryable, "account_refused", "", account},
           {422, problem(9999), permanent, "message_refused", "9999"},
           {422, "", permanent, "message_refused"},
           {429, "slow down", retryable, "throttled", "", account, true},
           {500, "<html>", retryable, "provider_error", "", provider},
           {503, "", retryable, "provider_error", "", provider},
           {502, "", in_doubt, "gateway_error", "", provider},
           {504, "", in_doubt, "gateway_error", "", provider},
       }) {
    INFO(row.status << " " << row.body);
    const auto outcome = adapter->parse({row.status, {}, row.body});
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.provider_code == row.code);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == row.is_throttled);
    CHECK(outcome.is_opted_out == row.is_opted_out);
    CHECK(outcome.status_code == row.status);
    CHECK((outcome.kind != accepted || outcome.provider_reference == kId));
  }
}

TEST_CASE("vonage's tokens of the vectors verify and the others do not") {
  for (auto& vector : testing::webhook_vectors("vonage-jwt-hs256")) {
    INFO(vector.name);
    auto settings = vonage_settings();
    settings.secrets["signature_secret"] = Secret(vector.key);
    auto& request = vector.request;
    const auto token = vector.expected;
    const auto claims = nlohmann::json::parse(
        *from_base64url(token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1)));
    request.received_at = {claims["iat"].get<int64_t>() * 1'000'000};
    CHECK(vonage(settings)->verify(request).is_genuine == vector.is_valid);
    request.received_at.us += 301 * 1'000'000LL;
    CHECK(!vonage(settings)->verify(request).is_genuine);
    request.received_at.us -= 301 * 1'000'000LL;
    request.body += " ";
    CHECK(!vonage(settings)->verify(request).is_genuine);
  }
}

TEST_CASE("a vonage callback counts within five minutes, with its own body, and by any secret that is in use") {
  const auto adapter = vonage();
  const auto body = status_body("delivered");
  const int64_t now_s = kNow.us / 1'000'000;
  CHECK(adapter->verify(callback(body)).is_genuine);
  CHECK(adapter->verify(callback(body)).replay_key == "j-1");
  CHECK(adapter->verify(callback(body, claims_of(body, now_s - 301))).reason == "too old");
  CHECK(adapter->verify(callback(body, claims_of(body, now_s + 301))).reason == "too old");
  auto claims = claims_of(body);
  claims["exp"] = now_s - 1;
  CHECK(adapter->verify(callback(body, claims)).reason == "too old");
  CHECK(adapter->verify(callback(body, claims_of("other"))).reason == "body not covered by the signature");
  claims = claims_of(body);
  claims.erase("payload_hash");
  CHECK(adapter->verify(callback(body, claims)).reason == "body not covered by the signature");
  claims = claims_of(body);
  claims.erase("iat");
  CHECK_FALSE(adapter->verify(callback(body, claims)).is_genuine);
  auto settings = vonage_settings();
  settings.secrets["signature_secret"] = Secret("another\nsignetd-vonage-signature-secret-0001");
  CHECK(vonage(settings)->verify(callback(body)).is_genuine);
  settings.secrets["signature_secret"] = Secret("another");
  CHECK(vonage(settings)->verify(callback(body)).reason == "bad signature");
}

TEST_CASE("an unsigned vonage callback is asked for again, a forged one is not") {
  const auto adapter = vonage();
  auto request = callback(status_body("sent"));
  request.headers.pop_back();
  const auto verdict = adapter->verify(request);
  CHECK_FALSE(verdict.is_genuine);
  CHECK(verdict.is_unsigned);
  CHECK(adapter->reply_to(CallbackEnd::unsigned_).status == 503);
  CHECK(adapter->reply_to(CallbackEnd::forged).status / 100 == 4);
  request = callback(status_body("sent"));
  request.headers.back().second += "x";
  CHECK_FALSE(adapter->verify(request).is_unsigned);
}

TEST_CASE("vonage's statuses become receipts with the echo of the attempt") {
  struct Row {
    std::string status, more;
    ReceiptKind kind;
    std::string code = "";
  };
  const auto adapter = vonage();
  for (const auto& row : std::vector<Row>{
           {"submitted", "", ReceiptKind::sent},
           {"delivered", R"(,"usage":{"currency":"EUR","price":"0.03"})", ReceiptKind::delivered},
           {"read", "", ReceiptKind::delivered},
           {"rejected", R"(,"error":{"type":"https://x/y#1360","title":"1360","detail":"","instance":""})",
            ReceiptKind::failed, "1360"},
           {"undeliverable", R"(,"error":{"type":"https://x/y","title":1050})", ReceiptKind::failed, "1050"},
           {"rejected", R"(,"error":{"type":"https://x/y#rejected","title":"1030"})", ReceiptKind::failed, "1030"},
           {"rejected", R"(,"error":{"error":{"type":"https://x/y#1000","title":1000}})", ReceiptKind::failed, "1000"},
           {"rejected", R"(,"error":{"type":"https://x/y#1240","title":"Illegal Number"})", ReceiptKind::failed,
            "1240"},
       }) {
    INFO(row.status << row.more);
    const auto request = callback(status_body(row.status, row.more + R"(,"client_ref":")" + kMessage + ".7\""));
    const auto receipts = adapter->receipts(request);
    REQUIRE(receipts);
    REQUIRE(receipts->size() == (row.code == "1240" ? 2u : 1u));
    if (row.code == "1240") CHECK(name(receipts->back().kind) == name(ReceiptKind::opted_out));
    const auto& receipt = receipts->front();
    CHECK(name(receipt.kind) == name(row.kind));
    CHECK(receipt.provider_reference == kId);
    CHECK(receipt.provider_code == row.code);
    CHECK(receipt.event_id == kId + ":" + row.status);
    CHECK(receipt.message_id == *parse_uuid(kMessage));
    CHECK(receipt.attempt_no == 7);
    CHECK(adapter->inbounds(request)->empty());
  }
  const auto by_url = adapter->receipts(callback(status_body("delivered")));
  REQUIRE(by_url);
  CHECK(by_url->front().attempt_no == 2);
}

TEST_CASE("what a vonage callback cannot say is an error, not a receipt") {
  const auto adapter = vonage();
  for (const std::string& body :
       {std::string(), std::string("{}"), std::string("[]"), std::string("<html>"), status_body("levitating"),
        std::string(R"({"status":"delivered"})"), std::string(5000, '['), std::string("\xff\xfe")}) {
    INFO(body.substr(0, 80));
    CHECK(!adapter->receipts(callback(body)));
  }
}

TEST_CASE("what somebody writes to a vonage number comes with its sender and words") {
  const auto adapter = vonage();
  const auto request =
      callback(R"({"message_uuid":")" + kId + R"(","to":"15005550006","from":"15558675310","channel":"sms",)" +
               R"("message_type":"text","text":"STOP","sms":{"num_messages":"1","keyword":"STOP"}})");
  const auto inbounds = adapter->inbounds(request);
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().from.reveal() == "+15558675310");
  CHECK(inbounds->front().to == "15005550006");
  CHECK(inbounds->front().text.reveal() == "STOP");
  CHECK(inbounds->front().event_id == kId);
  CHECK(adapter->receipts(request)->empty());
}

}  // namespace signet
