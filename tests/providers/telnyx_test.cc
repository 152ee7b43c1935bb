#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/signature.h"
#include "tests/providers/support.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::telnyx_settings;

const std::string kId = "40385f64-5717-4562-b3fc-2c963f66afa6", kEvent = "b301ed3f-1490-491f-995f-6e64e69674d4";
const std::string kMessage = "0193b3c4-0000-7000-8000-00000000abcd";
constexpr WallTime kNow{1'795'307'286'000'000};

std::unique_ptr<Provider> telnyx(const ProviderSettings& settings = telnyx_settings()) {
  auto made = make_provider(settings);
  if (!made) FAIL(made.error().text);
  return std::move(*made);
}

// By the seed of the vectors, whose public key is in telnyx_settings().
CallbackRequest callback(const std::string& body, WallTime at = kNow) {
  const auto seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto key = SigningKey::from_ed25519_seed(Secret(*seed));
  REQUIRE(key);
  const auto stamp = std::to_string(at.us / 1'000'000);
  CallbackRequest request;
  request.public_url = "https://signet.example/webhooks/t?m=" + kMessage + ".2";
  request.body = body;
  request.received_at = kNow;
  request.headers = {{"content-type", "application/json"},
                     {"telnyx-timestamp", stamp},
                     {"telnyx-signature-ed25519", to_base64(*key->sign(stamp + "|" + body))}};
  return request;
}

std::string event(const std::string& type, const std::string& payload) {
  return R"({"data":{"event_type":")" + type + R"(","id":")" + kEvent + R"(","payload":)" + payload +
         R"(,"record_type":"event"},"meta":{"attempt":1}})";
}
std::string payload_of(const std::string& status, const std::string& errors = "") {
  return R"({"id":")" + kId + R"(","direction":"outbound","to":[{"phone_number":"+15558675310","status":")" + status +
         R"("}],"errors":[)" + errors + "]}";
}

}  // namespace

TEST_CASE("telnyx builds exactly the documented request") {
  const auto request = telnyx()->build(outbound());
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/v2/messages");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"Authorization", "Bearer KEY01"},
                                   {"Content-Type", "application/json"},
                                   {"Accept", "application/json"}});
  CHECK(request.body ==
        R"({"from":"+15005550006","to":"+15558675310","text":"Your results are ready.",)"
        R"("webhook_url":"https://signet.example/webhooks/main?m=0193b3c4-0000-7000-8000-00000000abcd.2"})");
  auto settings = telnyx_settings();
  settings.values.erase("from");
  settings.values.erase("public_key");
  settings.values["messaging_profile_id"] = "p-1";
  CHECK(telnyx(settings)->build(outbound()).body ==
        R"({"to":"+15558675310","text":"Your results are ready.","messaging_profile_id":"p-1"})");
  CHECK_FALSE(telnyx(settings)->has_receipts());
}

TEST_CASE("telnyx refuses settings that cannot work and names the key") {
  const struct {
    const char *key, *value;
  } rows[] = {
      {"base_url", "http://api.telnyx.com"}, {"from", ""}, {"public_key", "AAAA"}, {"public_key", "not base64!"}};
  for (const auto& row : rows) {
    INFO(row.key << "=" << row.value);
    auto settings = telnyx_settings();
    settings.values[row.key] = row.value;
    const auto made = make_provider(settings);
    REQUIRE(!made);
    CHECK(made.error().text.find(row.key) != std::string::npos);
  }
  auto settings = telnyx_settings();
  settings.secrets["api_key"] = Secret("a\nb: c");
  CHECK(!make_provider(settings));
}

TEST_CASE("telnyx reads every kind of reply") {
  struct Row {
    int status;
    std::string body;
    OutcomeKind kind;
    std::string reason;
    std::string code = "";
    FaultScope scope = FaultScope::message;
    bool is_throttled = false;
  };
  auto error = [](const std::string& code) {
    return R"({"errors":[{"code":")" + code + R"(","title":"x","detail":"y","source":{"pointer":"/to"}}]})";
  };
  auto sent = [](const std::string& status, const std::string& errors = "") {
    return R"({"data":{"id":")" + kId + R"(","to":[{"phone_number":"+15558675310","status":")" + status +
           R"("}],"parts":2,"errors":[)" + errors + "]}}";
  };
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, sender = FaultScope::sender, recipient = FaultScope::recipient,
                 provider = FaultScope::provider, credential = FaultScope::credential;
  const auto adapter = telnyx();
  for (const auto& row : std::vector<Row>{
           {200, sent("queued"), accepted, ""},
           {200, R"({"data":{"id":")" + kId + "\"}}", accepted, ""},
           {200, sent("sending_failed", R"({"code":"40300"})"), permanent, "opted_out", "40300", recipient},
           {200, sent("delivery_failed"), permanent, "message_refused"},
           {200, R"({"data":{"id":""}})", in_doubt, "unreadable_reply", "", provider},
           {200, R"({"data":[]})", in_doubt, "unreadable_reply", "", provider},
           {200, R"({"data":{"id":"a b"}})", in_doubt, "unreadable_reply", "", provider},
           {200, "", in_doubt, "unreadable_reply", "", provider},
           {200, "<html>", in_doubt, "unreadable_reply", "", provider},
           {422, error("10002"), permanent, "unknown_recipient", "10002", recipient},
           {500, error("10007"), retryable, "provider_error", "10007", provider},
           {503, error("10008"), retryable, "provider_error", "10008", provider},
           {401, error("10009"), retryable, "auth_failed", "10009", credential},
           {403, error("10010"), retryable, "auth_failed", "10010", credential},
           {429, error("10011"), retryable, "throttled", "10011", account, true},
           {400, error("10015"), permanent, "message_refused", "10015"},
           {400, error("10016"), permanent, "unknown_recipient", "10016", recipient},
           {422, error("40001"), permanent, "recipient_refused", "40001", recipient},
           {422, error("40002"), retryable, "sender_refused", "40002", sender},
           {422, error("40003"), permanent, "message_refused", "40003"},
           {422, error("40004"), retryable, "recipient_unreachable", "40004", recipient},
           {422, error("40005"), permanent, "message_refused", "40005"},
           {422, error("40006"), retryable, "recipient_unreachable", "40006", recipient},
           {422, error("40008"), permanent, "recipient_refused", "40008", recipient},
           {422, error("40009"), permanent, "message_refused", "40009"},
           {429, error("40011"), retryable, "throttled", "40011", account, true},
           {422, error("40300"), permanent, "opted_out", "40300", recipient},
           {401, error("20002"), retryable, "auth_failed", "20002", credential},
           {401, error("20006"), retryable, "auth_failed", "20006", credential},
           {403, error("20012"), retryable, "account_refused", "20012", account},
           {403, error("20013"), retryable, "account_refused", "20013", account},
           {403, error("20014"), retryable, "account_refused", "20014", account},
           {403, error("20015"), retryable, "account_refused", "20015", account},
           {403, error("20016"), retryable, "account_refused", "20016", account},
           {403, error("20017"), retryable, "account_refused", "20017", account},
           {403, error("20100"), retryable, "account_refused", "20100", account},
           {422, error("40010"), retryable, "sender_refused", "40010", sender},
           {422, error("40012"), permanent, "unknown_recipient", "40012", recipient},
           {422, error("40013"), retryable, "sender_refused", "40013", sender},
           {422, error("40014"), permanent, "message_refused", "40014"},
           {422, error("40015"), permanent, "message_refused", "40015"},
           {422, error("40016"), retryable, "throttled", "40016", sender, true},
           {422, error("40017"), permanent, "message_refused", "40017"},
           {422, error("40018"), retryable, "throttled", "40018", sender, true},
           {422, error("40100"), retryable, "sender_refused", "40100", sender},
           {422, error("40150"), retryable, "sender_refused", "40150", sender},
           {422, error("40151"), retryable, "sender_refused", "40151", sender},
           {422, error("40301"), permanent, "recipient_refused", "40301", recipient},
           {422, error("40302"), permanent, "message_refused", "40302"},
           {422, error("40305"), retryable, "sender_refused", "40305", sender},
           {422, error("40306"), retryable, "sender_refused", "40306", sender},
           {403, error("40309"), retryable, "account_refused", "40309", account},
           {422, error("40310"), permanent, "unknown_recipient", "40310", recipient},
           {403, error("40312"), retryable, "account_refused", "40312", account},
           {403, error("40314"), retryable, "account_refused", "40314", account},
           {422, error("40315"), retryable, "sender_refused", "40315", sender},
           {422, error("40316"), permanent, "message_refused", "40316"},
           {422, error("40318"), retryable, "throttled", "40318", account, true},
           {422, error("40319"), permanent, "recipient_refused", "40319", recipient},
           {422, error("40320"), retryable, "sender_refused", "40320", sender},
           {422, error("40321"), retryable, "sender_refused", "40321", sender},
           {422, error("40322"), permanent, "message_refused", "40322"},
           {422, error("40329"), retryable, "sender_refused", "40329", sender},
           {422, error("99999"), permanent, "message_refused", "99999"},
           {422, R"({"errors":[]})", permanent, "message_refused"},
           {402, "", retryable, "account_refused", "", account},
           {429, "", retryable, "throttled", "", account, true},
           {500, "", retryable, "provider_error", "", provider},
           {504, "", in_doubt, "gateway_error", "", provider},
       }) {
    INFO(row.status << " " << row.body);
    const auto outcome = adapter->parse({row.status, {{"x-ratelimit-reset", "9"}}, row.body});
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.provider_code == row.code);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == row.is_throttled);
    CHECK(outcome.is_opted_out == (row.reason == "opted_out"));
    if (row.kind == accepted) CHECK(outcome.provider_reference == kId);
    CHECK(outcome.retry_after_ms == (row.is_throttled ? std::optional<int64_t>(9000) : std::nullopt));
  }
  CHECK(adapter->parse({200, {}, sent("queued")}).parts == 2);
  CHECK(adapter->parse({429, {{"retry-after", "3"}, {"x-ratelimit-reset", "9"}}, ""}).retry_after_ms == 3000);
}

TEST_CASE("telnyx's signatures of the vectors verify and the others do not") {
  for (auto& vector : testing::webhook_vectors("telnyx-ed25519")) {
    INFO(vector.name);
    auto settings = telnyx_settings();
    settings.values["public_key"] = vector.key;
    vector.request.received_at = {1'705'349'767LL * 1'000'000};
    CHECK(telnyx(settings)->verify(vector.request).is_genuine == vector.is_valid);
  }
}

TEST_CASE("a telnyx callback counts within five minutes, as it was signed") {
  const auto adapter = telnyx();
  const auto body = event("message.finalized", payload_of("delivered"));
  CHECK(adapter->verify(callback(body)).is_genuine);
  CHECK(adapter->verify(callback(body, {kNow.us - 301'000'000})).reason == "too old");
  CHECK(adapter->verify(callback(body, {kNow.us + 301'000'000})).reason == "too old");
  auto request = callback(body);
  request.body += " ";
  CHECK(adapter->verify(request).reason == "bad signature");
  request = callback(body);
  request.headers[1].second += "0";
  CHECK(adapter->verify(request).reason == "bad signature");
  request = callback(body);
  request.headers.push_back(request.headers.back());
  CHECK_FALSE(adapter->verify(request).is_genuine);
  request = callback(body);
  request.headers.pop_back();
  CHECK(adapter->verify(request).is_unsigned);
  request.headers.emplace_back("telnyx-signature-ed25519", "*");
  CHECK(adapter->verify(request).reason == "bad signature");
}

TEST_CASE("telnyx's events become receipts with the echo of the attempt") {
  struct Row {
    std::string type, status, errors;
    ReceiptKind kind;
    std::string code = "";
  };
  const auto adapter = telnyx();
  for (const auto& row : std::vector<Row>{
           {"message.sent", "queued", "", ReceiptKind::queued},
           {"message.sent", "sending", "", ReceiptKind::queued},
           {"message.sent", "sent", "", ReceiptKind::sent},
           {"message.finalized", "delivered", "", ReceiptKind::delivered},
           {"message.finalized", "delivery_unconfirmed", "", ReceiptKind::sent},
           {"message.finalized", "sending_failed", R"({"code":"40001"})", ReceiptKind::failed, "40001"},
           {"message.finalized", "delivery_failed", R"({"code":"40300","title":"STOP"})", ReceiptKind::failed, "40300"},
           {"message.finalized", "expired", R"({"code":"4 0"})", ReceiptKind::failed, ""},
       }) {
    INFO(row.status << row.errors);
    const auto request = callback(event(row.type, payload_of(row.status, row.errors)));
    const auto receipts = adapter->receipts(request);
    REQUIRE(receipts);
    REQUIRE(receipts->size() == (row.code == "40300" ? 2u : 1u));
    if (row.code == "40300") CHECK(name(receipts->back().kind) == name(ReceiptKind::opted_out));
    const auto& receipt = receipts->front();
    CHECK(name(receipt.kind) == name(row.kind));
    CHECK(receipt.provider_reference == kId);
    CHECK(receipt.provider_code == row.code);
    CHECK(receipt.event_id == kEvent);
    CHECK(receipt.message_id == *parse_uuid(kMessage));
    CHECK(receipt.attempt_no == 2);
    CHECK(adapter->inbounds(request)->empty());
  }
  const auto other = adapter->receipts(callback(event("10dlc.campaign.update", "{}")));
  REQUIRE(other);
  CHECK(other->empty());
  for (const std::string& body : {std::string(), std::string("{}"), std::string("[]"), std::string("null"),
                                  event("message.finalized", payload_of("levitating")),
                                  event("message.finalized", "{}"), std::string(5000, '['), std::string("\xff")}) {
    INFO(body.substr(0, 80));
    CHECK(!adapter->receipts(callback(body)));
  }
}

TEST_CASE("what somebody writes to a telnyx number comes with its sender and words") {
  const auto adapter = telnyx();
  const auto request =
      callback(event("message.received", R"({"id":"m-1","direction":"inbound","from":{"phone_number":"+15558675310"},)"
                                         R"("to":[{"phone_number":"+15005550006"}],"text":"STOP"})"));
  const auto inbounds = adapter->inbounds(request);
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().from.reveal() == "+15558675310");
  CHECK(inbounds->front().to == "+15005550006");
  CHECK(inbounds->front().text.reveal() == "STOP");
  CHECK(inbounds->front().event_id == kEvent);
  CHECK_FALSE(inbounds->front().is_answered);
  CHECK(adapter->receipts(request)->empty());
  const auto answered = adapter->inbounds(
      callback(event("message.received", R"({"id":"m-1","from":{"phone_number":"+15558675310"},"text":"HELP",)"
                                         R"("to":[{"phone_number":"+15005550006"}],"autoresponse_type":"HELP"})")));
  REQUIRE(answered);
  CHECK(answered->front().is_answered);
}

}  // namespace signet
