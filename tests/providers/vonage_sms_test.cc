#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/webhook_crypto.h"
#include "tests/providers/support.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::vonage_sms_settings;

const std::string kId = "0A0000000123ABCD1";
const std::string kMessage = "0193b3c4-0000-7000-8000-00000000abcd";
constexpr WallTime kNow{1'795'307'286'000'000};
using Parameters = std::map<std::string, std::string>;

std::unique_ptr<Provider> vonage(const ProviderSettings& settings = vonage_sms_settings()) {
  auto made = make_provider(settings);
  if (!made) FAIL(made.error().text);
  return std::move(*made);
}

std::string form_of(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    out += (out.empty() ? "" : "&") + name + "=";
    append_form(out, value);
  }
  return out;
}

Parameters signed_as(Parameters parameters) {
  parameters.emplace("timestamp", std::to_string(kNow.us / 1'000'000));
  std::string text;
  for (const auto& [name, value] : parameters) text += "&" + name + "=" + value;
  parameters["sig"] = to_hex(hmac(WebhookHash::sha256, "signetd-vonage-signature-secret-0001", text));
  return parameters;
}

CallbackRequest callback(const Parameters& parameters) {
  CallbackRequest request;
  request.public_url = "https://signet.example/webhooks/v?m=" + kMessage + ".2";
  request.body = form_of(parameters);
  request.received_at = kNow;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  return request;
}

Parameters receipt_of(const std::string& status, const std::string& code = "0") {
  return {{"msisdn", "15558675310"}, {"to", "Clinic"},        {"messageId", kId},    {"status", status},
          {"err-code", code},        {"api-key", "a1b2c3d4"}, {"scts", "2611270128"}};
}

std::string reply_of(const std::vector<std::string>& parts) {
  std::string out = R"({"message-count":")" + std::to_string(parts.size()) + R"(","messages":[)";
  for (size_t i = 0; i < parts.size(); i++) out += (i ? "," : "") + parts[i];
  return out + "]}";
}
std::string part_of(int status, const std::string& id = kId) {
  if (status != 0) return R"({"status":")" + std::to_string(status) + R"(","error-text":"x"})";
  return R"({"to":"15558675310","message-id":")" + id + R"(","status":"0","message-price":"0.03"})";
}

}  // namespace

TEST_CASE("vonage's SMS API gets exactly the documented form") {
  const auto request = vonage()->build(outbound());
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/sms/json");
  CHECK(request.body ==
        "api_key=a1b2c3d4&from=Clinic&to=15558675310&text=Your+results+are+ready.&type=text"
        "&client-ref=0193b3c400007000800000000000abcd.2.1&callback=https%3A%2F%2Fsignet.example%2Fwebhooks%2Fmain%3Fm"
        "%3D0193b3c4-0000-7000-8000-00000000abcd.2&api_secret=s3cret");
}

TEST_CASE("vonage's SMS API gets its sender without the plus") {
  auto settings = vonage_sms_settings();
  settings.values["from"] = "+15005550006";
  CHECK(vonage(settings)->build(outbound()).body.find("&from=15005550006&to=15558675310&") != std::string::npos);
}

TEST_CASE("vonage's SMS API is told of letters that GSM lacks, and the reference tells the parts") {
  auto message = outbound();
  const auto sent = [&](const std::string& text) {
    message.body = Phi<std::string>(text);
    return vonage()->build(message).body;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(sent("Gr\xc3\xbc\xc3\x9f"
                 "e"),
            "&type=text&"));
  CHECK(has(sent("\xd0\x97\xd0\xb4"), "&type=unicode&client-ref=0193b3c400007000800000000000abcd.2.1&"));
  CHECK(has(sent(std::string(160, 'a')), "abcd.2.1&"));
  CHECK(has(sent(std::string(161, 'a')), "abcd.2.2&"));
  CHECK(has(sent(std::string(307, 'a')), "abcd.2.3&"));
}

TEST_CASE("vonage's SMS API without a secret gets a signature") {
  auto settings = vonage_sms_settings();
  settings.secrets.erase("api_secret");
  const auto body = vonage(settings)->build(outbound()).body;
  CHECK(body.find("api_secret") == std::string::npos);
  CallbackRequest request;
  request.body = body;
  request.received_at = outbound().at;
  CHECK(vonage(settings)->verify(request).is_genuine);
  settings.secrets.erase("signature_secret");
  CHECK(!make_provider(settings));
}

TEST_CASE("vonage's SMS API says 200 to everything, and each part's status is read") {
  struct Row {
    int status;
    std::string body;
    OutcomeKind kind;
    std::string reason;
    std::string code = "";
    FaultScope scope = FaultScope::message;
    std::string reference = "";
  };
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, sender = FaultScope::sender, recipient = FaultScope::recipient,
                 provider = FaultScope::provider, credential = FaultScope::credential;
  auto refused = [](int status) { return reply_of({part_of(status)}); };
  const auto adapter = vonage();
  for (const auto& row : std::vector<Row>{
           {200, reply_of({part_of(0)}), accepted, "", "", FaultScope::message, kId},
           {200, reply_of({part_of(0), part_of(0, "B2"), part_of(0, "B3")}), accepted, "", "", FaultScope::message,
            kId + " B2 B3"},
           {200, refused(1), retryable, "throttled", "1", account},
           {200, refused(2), permanent, "message_refused", "2"},
           {200, refused(3), permanent, "message_refused", "3"},
           {200, refused(4), retryable, "auth_failed", "4", credential},
           {200, refused(5), retryable, "provider_error", "5", provider},
           {200, refused(6), permanent, "message_refused", "6"},
           {200, refused(7), permanent, "recipient_refused", "7", recipient},
           {200, refused(8), retryable, "account_refused", "8", account},
           {200, refused(9), retryable, "account_refused", "9", account},
           {200, refused(10), retryable, "throttled", "10", account},
           {200, refused(11), retryable, "account_refused", "11", account},
           {200, refused(12), permanent, "message_refused", "12"},
           {200, refused(14), retryable, "auth_failed", "14", credential},
           {200, refused(15), retryable, "sender_refused", "15", sender},
           {200, refused(22), permanent, "recipient_refused", "22", recipient},
           {200, refused(23), permanent, "message_refused", "23"},
           {200, refused(29), retryable, "account_refused", "29", account},
           {200, refused(32), retryable, "auth_failed", "32", credential},
           {200, refused(33), permanent, "unknown_recipient", "33", recipient},
           {200, refused(99), permanent, "message_refused", "99"},
           // Some parts are out: neither a repeat nor a failure would be true.
           {200, reply_of({part_of(0), part_of(1)}), in_doubt, "partly_accepted", "1", FaultScope::message, kId},
           {200, reply_of({part_of(5), part_of(0)}), in_doubt, "partly_accepted", "5", FaultScope::message, kId},
           // Receipts of those that are out do not add up to the message.
           {200, reply_of({part_of(0), part_of(0, "B2"), part_of(1)}), in_doubt, "partly_accepted", "1",
            FaultScope::message, kId},
           {200, R"({"message-count":"2","messages":[)" + part_of(0) + "]}", in_doubt, "unreadable_reply", "",
            provider},
           {200, R"({"message-count":"0","messages":[]})", in_doubt, "unreadable_reply", "", provider},
           {200, reply_of({R"({"status":"0"})"}), in_doubt, "unreadable_reply", "", provider},
           {200, reply_of({R"({"message-id":"A1"})"}), in_doubt, "unreadable_reply", "", provider},
           {200, reply_of({R"({"status":"ok","message-id":"A1"})"}), in_doubt, "unreadable_reply", "", provider},
           {200, reply_of({"1"}), in_doubt, "unreadable_reply", "", provider},
           {200, "<html>", in_doubt, "unreadable_reply", "", provider},
           {200, "", in_doubt, "unreadable_reply", "", provider},
           {401, "", retryable, "auth_failed", "", credential},
           {420, "", permanent, "message_refused"},
           {429, "", retryable, "throttled", "", account},
           {500, "", retryable, "provider_error", "", provider},
           {502, "", in_doubt, "gateway_error", "", provider},
       }) {
    INFO(row.status << " " << row.body);
    const auto outcome = adapter->parse({row.status, {}, row.body});
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.provider_code == row.code);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == (row.reason == "throttled"));
    CHECK(outcome.provider_reference == row.reference);
  }
  CHECK(adapter->parse({200, {}, reply_of({part_of(0), part_of(0, "B2"), part_of(0, "B3")})}).parts == 3);
}

TEST_CASE("vonage's signatures of the vectors verify and changed ones do not") {
  for (const std::string method : {"md5hash", "md5", "sha1", "sha256", "sha512"})
    for (const auto& vector : testing::webhook_vectors("vonage-sig-" + method)) {
      INFO(method << " " << vector.name);
      auto settings = vonage_sms_settings();
      settings.values["signature_method"] = method;
      settings.secrets["signature_secret"] = Secret(vector.key);
      auto request = vector.request;
      const auto at = request.body.find("&timestamp=") + 11;
      const int64_t signed_s = std::stoll(request.body.substr(at));
      request.received_at = {signed_s * 1'000'000};
      const auto adapter = vonage(settings);
      CHECK(adapter->verify(request).is_genuine == vector.is_valid);
      auto as_get = request;
      as_get.method = "GET";
      as_get.public_url = "https://signet.example/webhooks/v?m=" + kMessage + ".2&" + request.body;
      as_get.body.clear();
      CHECK(adapter->verify(as_get).is_genuine == vector.is_valid);
      request.received_at.us += 301 * 1'000'000LL;
      CHECK(adapter->verify(request).reason == "too old");
      request.received_at.us -= 301 * 1'000'000LL;
      request.body.insert(0, "a=b&");
      CHECK(adapter->verify(request).reason == "bad signature");
      settings.values["signature_method"] = method == "sha1" ? "md5" : "sha1";
      CHECK(!vonage(settings)->verify(vector.request).is_genuine);
    }
}

TEST_CASE("ampersands and equals signs in a vonage value count as underlines") {
  auto parameters = signed_as({{"text", "a_b_c"}, {"msisdn", "15558675310"}, {"messageId", kId}});
  parameters["text"] = "a&b=c";
  CHECK(vonage()->verify(callback(parameters)).is_genuine);
}

TEST_CASE("a vonage callback as JSON is signed like the form") {
  const auto parameters = signed_as(receipt_of("delivered"));
  auto request = callback({});
  request.body = "{";
  for (const auto& [name, value] : parameters)
    request.body += (request.body.size() > 1 ? ",\"" : "\"") + name + "\":\"" + value + "\"";
  request.body += "}";
  CHECK(vonage()->verify(request).is_genuine);
  CHECK(vonage()->receipts(request)->front().provider_reference == kId);
}

TEST_CASE("vonage's delivery receipts, one a part") {
  struct Row {
    std::string status, code, ref;
    ReceiptKind kind;
    bool is_partial = false;
  };
  const auto adapter = vonage();
  for (const auto& row : std::vector<Row>{
           {"accepted", "0", "", ReceiptKind::sent},
           {"buffered", "0", "", ReceiptKind::sent},
           {"unknown", "1", "", ReceiptKind::sent},
           {"delivered", "0", "0193b3c400007000800000000000abcd.7.1", ReceiptKind::delivered},
           {"delivered", "0", "0193b3c400007000800000000000abcd.7.3", ReceiptKind::delivered, true},
           {"expired", "2", "0193b3c400007000800000000000abcd.7.2", ReceiptKind::failed, true},
           {"failed", "8", "", ReceiptKind::failed},
           {"rejected", "6", "rubbish", ReceiptKind::failed},
           {"rejected", "9", "", ReceiptKind::failed},
       }) {
    INFO(row.status << " " << row.code << " " << row.ref);
    auto parameters = receipt_of(row.status, row.code);
    if (!row.ref.empty()) parameters["client-ref"] = row.ref;
    const auto request = callback(signed_as(parameters));
    REQUIRE(adapter->verify(request).is_genuine);
    const auto receipts = adapter->receipts(request);
    REQUIRE(receipts);
    REQUIRE(receipts->size() == (row.code == "9" ? 2u : 1u));  // failed, and the recipient opted out
    if (row.code == "9") CHECK(name(receipts->back().kind) == name(ReceiptKind::opted_out));
    const auto& receipt = receipts->front();
    CHECK(name(receipt.kind) == name(row.kind));
    CHECK(receipt.provider_reference == kId);
    CHECK(receipt.provider_code == row.code);
    CHECK(receipt.is_partial == row.is_partial);
    CHECK(receipt.event_id == kId + ":" + row.status);
    CHECK(receipt.message_id == *parse_uuid(kMessage));
    CHECK(receipt.attempt_no == (row.ref.starts_with("0193") ? 7 : 2));
    CHECK(adapter->inbounds(request)->empty());
  }
  CHECK(!adapter->receipts(callback(receipt_of("levitating"))));
  CHECK(!adapter->receipts(callback({{"status", "delivered"}})));
  CHECK(!adapter->receipts(callback({})));
  auto broken = callback({});
  for (const std::string body : {"{", "{]", "%zz=1", "[1]"}) {
    broken.body = body;
    CHECK(!adapter->receipts(broken));
  }
}

TEST_CASE("what somebody writes to a vonage number comes by the SMS API too") {
  const auto adapter = vonage();
  auto request = callback(signed_as({{"msisdn", "15558675310"},
                                     {"to", "15005550006"},
                                     {"messageId", kId},
                                     {"text", "Stop please"},
                                     {"type", "text"},
                                     {"keyword", "STOP"}}));
  REQUIRE(adapter->verify(request).is_genuine);
  const auto inbounds = adapter->inbounds(request);
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().from.reveal() == "+15558675310");
  CHECK(inbounds->front().text.reveal() == "Stop please");
  CHECK(inbounds->front().event_id == kId);
  CHECK(adapter->receipts(request)->empty());
}

}  // namespace signet
