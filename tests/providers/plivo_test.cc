#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/providers/support.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::plivo_settings;

const std::string kId = "db3ce55a-7f1d-11e1-8ea7-1231380bc196";
const std::string kMessage = "0193b3c4-0000-7000-8000-00000000abcd";

std::unique_ptr<Provider> plivo(const ProviderSettings& settings = plivo_settings()) {
  auto made = make_provider(settings);
  if (!made) FAIL(made.error().text);
  return std::move(*made);
}

std::string signature_of(const std::string& text, const std::string& token = "t0ken") {
  return to_base64(view(hmac_sha256(token, text + ".n-1")));
}

// `joined`: the form's names and values as they are signed.
CallbackRequest callback(const std::string& body, const std::string& joined) {
  CallbackRequest request;
  request.public_url = "https://signet.example/webhooks/p?m=" + kMessage + ".2";
  request.body = body;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"},
                     {"x-plivo-signature-v3", signature_of(request.public_url + (joined.empty() ? "" : "." + joined))},
                     {"x-plivo-signature-v3-nonce", "n-1"}};
  return request;
}
CallbackRequest status_callback(const std::string& status, const std::string& more = "") {
  return callback("MessageUUID=" + kId + "&Status=" + status + more, "");
}

}  // namespace

TEST_CASE("plivo builds exactly the documented request") {
  const auto request = plivo()->build(outbound());
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/v1/Account/MA00000000000000001/Message/");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"Authorization", "Basic " + to_base64("MA00000000000000001:t0ken")},
                                   {"Content-Type", "application/json"},
                                   {"Accept", "application/json"}});
  CHECK(request.body ==
        R"({"src":"+15005550006","dst":"+15558675310","text":"Your results are ready.",)"
        R"("url":"https://signet.example/webhooks/main?m=0193b3c4-0000-7000-8000-00000000abcd.2","method":"POST"})");
  auto settings = plivo_settings();
  settings.values.erase("from");
  settings.values["powerpack_uuid"] = "pp-1";
  auto message = outbound();
  message.callback_url.clear();
  CHECK(plivo(settings)->build(message).body ==
        R"({"powerpack_uuid":"pp-1","dst":"+15558675310","text":"Your results are ready."})");
}

TEST_CASE("plivo refuses settings that cannot work and names the key") {
  const struct {
    const char *key, *value;
  } rows[] = {{"base_url", "http://api.plivo.com"},
              {"auth_id", "MA/../x"},
              {"from", ""},
              {"powerpack_uuid", "pp-1"},
              {"signature_version", "v1"}};
  for (const auto& row : rows) {
    INFO(row.key << "=" << row.value);
    auto settings = plivo_settings();
    settings.values[row.key] = row.value;
    const auto made = make_provider(settings);
    REQUIRE(!made);
    CHECK(made.error().text.find("\"plivo-main\"") != std::string::npos);
    CHECK(made.error().text.find("t0ken") == std::string::npos);
  }
}

TEST_CASE("plivo reads every kind of reply") {
  struct Row {
    int status;
    std::string body;
    OutcomeKind kind;
    std::string reason;
    FaultScope scope = FaultScope::message;
  };
  const std::string refused = R"({"api_id":"a","error":"x"})";
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, provider = FaultScope::provider, credential = FaultScope::credential;
  const auto adapter = plivo();
  for (const auto& row : std::vector<Row>{
           {202, R"({"message":"message(s) queued","message_uuid":[")" + kId + R"("],"api_id":"a"})", accepted, ""},
           {202, R"({"message":"message(s) queued","message_uuid":[],"api_id":"a"})", in_doubt, "unreadable_reply",
            provider},
           {202, R"({"message_uuid":"x"})", in_doubt, "unreadable_reply", provider},
           {202, R"({"message_uuid":[{}]})", in_doubt, "unreadable_reply", provider},
           {202, R"({"message_uuid":["a b"]})", in_doubt, "unreadable_reply", provider},
           {202, "", in_doubt, "unreadable_reply", provider},
           {200, "<html>", in_doubt, "unreadable_reply", provider},
           {400, refused, permanent, "message_refused"},
           {405, refused, permanent, "message_refused"},
           {401, refused, retryable, "auth_failed", credential},
           {404, refused, retryable, "auth_failed", credential},
           {402, refused, retryable, "account_refused", account},
           {429, refused, retryable, "throttled", account},
           {500, refused, retryable, "provider_error", provider},
           {502, "", in_doubt, "gateway_error", provider},
           {302, "", retryable, "unexpected_redirect", account},
       }) {
    INFO(row.status << " " << row.body);
    const auto outcome = adapter->parse({row.status, {}, row.body});
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == (row.status == 429));
    if (row.kind == accepted) CHECK(outcome.provider_reference == kId);
  }
}

TEST_CASE("plivo's V3 signatures of the vectors verify and changed ones do not") {
  for (auto& vector : testing::webhook_vectors("plivo-v3-hmac-sha256")) {
    INFO(vector.name);
    auto settings = plivo_settings();
    settings.secrets["auth_token"] = Secret(vector.key);
    const auto adapter = plivo(settings);
    auto& request = vector.request;
    const auto json = nlohmann::json::parse(vector.json);
    if (request.method == "GET")  // the vectors have the query's parameters apart from the URL
      for (auto& pair : json["params"]) {
        request.public_url += request.public_url.find('?') == std::string::npos ? "?" : "&";
        request.public_url += pair[0].get<std::string>() + "=";
        append_form(request.public_url, pair[1].get<std::string>());
      }
    const auto verdict = adapter->verify(request);
    CHECK(verdict.is_genuine == vector.is_valid);
    CHECK(verdict.replay_key == (vector.is_valid ? "31627761595286130198" : ""));
    settings.values["signature_version"] = "v3";
    CHECK(plivo(settings)->verify(request).is_genuine == vector.is_valid);
    auto changed = request;
    for (auto& [name, value] : changed.headers)
      if (name == "x-plivo-signature-v3") value = "AAAA," + value + " ,BBBB";
    CHECK_FALSE(adapter->verify(changed).is_genuine);  // a space within is no part of it
    for (auto& [name, value] : changed.headers)
      if (name == "x-plivo-signature-v3") value = "AAAA, " + vector.expected;
    CHECK(adapter->verify(changed).is_genuine == vector.is_valid);
    changed = request;
    for (auto& [name, value] : changed.headers)
      if (name == "x-plivo-signature-v3-nonce") value += "1";
    CHECK(adapter->verify(changed).reason == "bad signature");
    changed = request;
    (request.method == "GET" ? changed.public_url : changed.body) += "&z=1";
    CHECK(adapter->verify(changed).reason == "bad signature");
    changed = request;
    for (auto& header : changed.headers)
      if (header.first == "x-plivo-signature-v3") header.first = "x-plivo-signature-ma-v3";
    CHECK(adapter->verify(changed).is_genuine == vector.is_valid);
  }
}

TEST_CASE("plivo's V2 counts where no V3 came, unless V3 is asked for") {
  for (const auto& vector : testing::webhook_vectors("plivo-v2-hmac-sha256")) {
    INFO(vector.name);
    auto settings = plivo_settings();
    settings.secrets["auth_token"] = Secret(vector.key);
    for (const std::string version : {"", "any", "v2"}) {
      INFO(version);
      if (!version.empty()) settings.values["signature_version"] = version;
      const auto verdict = plivo(settings)->verify(vector.request);
      CHECK(verdict.is_genuine == vector.is_valid);
      if (vector.is_valid) CHECK(verdict.replay_key == "12345");
      auto changed = vector.request;
      changed.public_url += "/x";
      CHECK_FALSE(plivo(settings)->verify(changed).is_genuine);
      changed = vector.request;
      changed.public_url += "/?a=1";  // of the URL it covers scheme, host and path
      CHECK_FALSE(plivo(settings)->verify(changed).is_genuine);
      changed = vector.request;
      changed.public_url += "?a=1";
      CHECK(plivo(settings)->verify(changed).is_genuine == vector.is_valid);
      changed = vector.request;
      for (auto& header : changed.headers)
        if (header.first == "x-plivo-signature-v2") header.first = "x-plivo-signature-ma-v2";
      CHECK(plivo(settings)->verify(changed).is_genuine == vector.is_valid);
      changed = vector.request;
      changed.headers.emplace_back("x-plivo-signature-v3", "AAAA");
      changed.headers.emplace_back("x-plivo-signature-v3-nonce", "1");
      CHECK(plivo(settings)->verify(changed).is_genuine == (version == "v2" && vector.is_valid));
    }
    settings.values["signature_version"] = "v3";
    CHECK(plivo(settings)->verify(vector.request).is_unsigned);
  }
}

TEST_CASE("plivo signs the query with signs between and the form without") {
  const std::string url = "https://signet.example/webhooks/p";
  const struct {
    const char *method, *query, *body, *text;
  } rows[] = {{"POST", "", "", ""},
              {"POST", "?b=2&a=1", "", "?a=1&b=2"},
              {"POST", "", "d=4&c=3", "?c3d4"},
              {"POST", "?b=2&a=1", "d=4&c=3", "?a=1&b=2.c3d4"},
              {"POST", "?a=x+y%21", "c=%2B1+2", "?a=x y!.c+1 2"},
              {"POST", "?a=1&a=2", "c=3&c=4", "?a=1.c3"},
              {"GET", "", "", ""},
              {"GET", "?b=2&a=1", "", "?a=1&b=2"}};
  for (const auto& row : rows) {
    INFO(row.method << " " << row.query << " " << row.body);
    CallbackRequest request;
    request.method = row.method;
    request.public_url = url + row.query;
    request.body = row.body;
    request.headers = {{"x-plivo-signature-v3", signature_of(url + row.text)}, {"x-plivo-signature-v3-nonce", "n-1"}};
    CHECK(plivo()->verify(request).is_genuine);
  }
  auto request = callback("a=%zz", "");
  CHECK(plivo()->verify(request).reason == "unreadable body");
  request.headers.pop_back();
  CHECK(plivo()->verify(request).reason == "no nonce");
  request.headers.pop_back();
  CHECK(plivo()->verify(request).is_unsigned);
}

TEST_CASE("plivo's callbacks become receipts with the echo of the attempt") {
  struct Row {
    std::string status, more;
    ReceiptKind kind;
    std::string code = "";
    bool is_partial = false;
    std::string reference = kId;
  };
  const auto adapter = plivo();
  for (const auto& row : std::vector<Row>{
           {"queued", "", ReceiptKind::queued},
           {"sent", "&Units=1&Sequence=1", ReceiptKind::sent},
           {"delivered", "&ErrorCode=000&Units=1&Sequence=2", ReceiptKind::delivered},
           {"read", "", ReceiptKind::delivered},
           {"failed", "&ErrorCode=10", ReceiptKind::failed, "10"},
           {"undelivered", "&ErrorCode=20", ReceiptKind::failed, "20"},
           {"rejected", "&ErrorCode=30", ReceiptKind::failed, "30"},
           {"failed", "&ErrorCode=40", ReceiptKind::failed, "40"},
           {"failed", "&ErrorCode=50", ReceiptKind::failed, "50"},
           {"failed", "&ErrorCode=200", ReceiptKind::failed, "200"},
           {"failed", "&ErrorCode=%2B1555", ReceiptKind::failed, ""},
           {"delivered", "&ParentMessageUUID=" + kId, ReceiptKind::delivered},
           {"delivered", "&ParentMessageUUID=p-1", ReceiptKind::delivered, "", true, "p-1"},
           {"delivered", "&ParentMessageUUID=" + kId + "&PartInfo=Part+1+of+2", ReceiptKind::delivered},
       }) {
    INFO(row.status << row.more);
    const auto receipts = adapter->receipts(status_callback(row.status, row.more));
    REQUIRE(receipts);
    REQUIRE(receipts->size() == (row.code == "200" ? 2u : 1u));  // failed, and the recipient opted out
    if (row.code == "200") CHECK(name(receipts->back().kind) == name(ReceiptKind::opted_out));
    const auto& receipt = receipts->front();
    CHECK(name(receipt.kind) == name(row.kind));
    CHECK(receipt.provider_reference == row.reference);
    CHECK(receipt.provider_code == row.code);
    CHECK(receipt.is_partial == row.is_partial);
    CHECK(receipt.event_id == kId + ":" + row.status);
    CHECK(receipt.message_id == *parse_uuid(kMessage));
    CHECK(receipt.attempt_no == 2);
  }
  CHECK(!adapter->receipts(status_callback("levitating")));
  CHECK(!adapter->receipts(callback("Status=sent", "")));
  CHECK(!adapter->receipts(callback("", "")));
  CHECK(!adapter->receipts(callback("%zz", "")));
  auto as_get = status_callback("delivered");
  as_get.method = "GET";
  as_get.public_url += "&" + std::exchange(as_get.body, "");
  CHECK(adapter->receipts(as_get)->front().attempt_no == 2);
}

TEST_CASE("what somebody writes to a plivo number comes with its sender and words") {
  const auto adapter = plivo();
  const auto request = callback("From=15558675310&To=15005550006&Text=STOP&Type=sms&MessageUUID=" + kId,
                                "From15558675310MessageUUID" + kId + "TextSTOPTo15005550006Typesms");
  REQUIRE(adapter->verify(request).is_genuine);
  const auto inbounds = adapter->inbounds(request);
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().from.reveal() == "+15558675310");
  CHECK(inbounds->front().to == "15005550006");
  CHECK(inbounds->front().text.reveal() == "STOP");
  CHECK(inbounds->front().event_id == kId);
  CHECK(adapter->receipts(request)->empty());
  CHECK(adapter->inbounds(status_callback("sent"))->empty());
}

}  // namespace signet
