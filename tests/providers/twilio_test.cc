#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using testing::twilio_settings;

std::unique_ptr<Provider> twilio(ProviderSettings settings = twilio_settings()) {
  auto made = make_provider(settings);
  REQUIRE(made);
  return std::move(*made);
}

const std::string kSid = "SM0123456789abcdef0123456789abcdef";

CallbackRequest callback(const std::string& url, const std::string& body, const std::string& token = "12345") {
  CallbackRequest request;
  request.public_url = url;
  request.body = body;
  std::string text = url;  // sorted by the caller: one name=value a line of the form
  std::map<std::string, std::string> fields;
  std::istringstream in(body);
  for (std::string field; std::getline(in, field, '&');) {
    auto equals = field.find('=');
    fields[*from_form(field.substr(0, equals))] = *from_form(field.substr(equals + 1));
  }
  for (auto& [name, value] : fields) text += name + value;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"},
                     {"x-twilio-signature", to_base64(hmac_sha1(token, text))}};
  return request;
}

std::string status_body(const std::string& status, const std::string& more = "") {
  return "MessageSid=" + kSid + "&MessageStatus=" + status + "&To=%2B15558675310&AccountSid=AC1" + more;
}

}  // namespace

TEST_CASE("twilio builds exactly the documented request") {
  auto request = twilio()->build(outbound());
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"Authorization", "Basic " + to_base64("AC00000000000000000000000000000001:12345")},
                                   {"Content-Type", "application/x-www-form-urlencoded"},
                                   {"Accept", "application/json"}});
  CHECK(request.body ==
        "To=%2B15558675310&From=%2B15005550006&Body=Your+results+are+ready.&StatusCallback=https%3A%2F%2F"
        "signet.example%2Fwebhooks%2Fmain%3Fm%3D0193b3c4-0000-7000-8000-00000000abcd.2");
}

TEST_CASE("twilio sends through a messaging service and without a callback if told so") {
  auto settings = twilio_settings();
  settings.values.erase("from");
  settings.values["messaging_service_sid"] = "MG1";
  auto message = outbound();
  message.callback_url.clear();
  message.body = Phi<std::string>("a&b=c\r\n\xc3\xa4");
  CHECK(twilio(settings)->build(message).body ==
        "To=%2B15558675310&MessagingServiceSid=MG1&Body=a%26b%3Dc%0D%0A%C3%A4");
}

TEST_CASE("twilio's default address is Twilio") {
  auto settings = twilio_settings();
  settings.values.erase("base_url");
  CHECK(twilio(settings)->build(outbound()).url.starts_with("https://api.twilio.com/2010-04-01/Accounts/AC"));
}

TEST_CASE("twilio refuses settings that cannot work and names the key") {
  struct Row {
    std::string key, value, says;
  };
  for (auto& row : std::vector<Row>{
           {"base_url", "ftp://x", "base_url"},
           {"base_url", "http://api.twilio.com", "in the clear"},
           {"base_url", "http://127.0.0.1.evil.example@x", "base_url"},
           {"base_url", "https://", "host"},
           {"base_url", "https://a b", "base_url"},
           {"account_sid", "AC/../x", "account_sid"},
           {"from", "", "from"},
           {"messaging_service_sid", "MG1", "not both"},
       }) {
    auto settings = twilio_settings();
    settings.values[row.key] = row.value;
    auto made = make_provider(settings);
    INFO(row.key << "=" << row.value);
    REQUIRE(!made);
    CHECK(made.error().code == ErrorCode::invalid);
    CHECK(made.error().text.find("\"twilio-main\"") != std::string::npos);
    CHECK(made.error().text.find(row.says) != std::string::npos);
    CHECK(made.error().text.find("12345") == std::string::npos);
  }
}

TEST_CASE("twilio reads every kind of reply") {
  struct Row {
    int status;
    std::string body;
    OutcomeKind kind;
    std::string reason;
    std::string code;
    FaultScope scope = FaultScope::message;
    bool is_throttled = false;
    bool is_opted_out = false;
  };
  auto error = [](int code) { return "{\"code\":" + std::to_string(code) + ",\"message\":\"x\",\"status\":400}"; };
  auto sent = [](const std::string& more) { return "{\"sid\":\"" + kSid + "\"" + more + "}"; };
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, sender = FaultScope::sender, recipient = FaultScope::recipient;
  auto adapter = twilio();
  for (auto& row : std::vector<Row>{
           {201, sent(R"(,"status":"queued","num_segments":"3","error_code":null)"), accepted, "", ""},
           {200, sent(R"(,"status":"accepted")"), accepted, "", ""},
           {201, sent(R"(,"status":"failed","error_code":21610)"), permanent, "opted_out", "21610", recipient, false,
            true},
           {201, sent(R"(,"status":"failed","error_code":null)"), permanent, "message_refused", ""},
           {201, sent(R"(,"status":"undelivered","error_code":30410)"), in_doubt, "provider_timed_out", "30410",
            FaultScope::provider},
           // A success that cannot be read is none, and no failure either.
           {201, "", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {201, "<html>", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {201, "{}", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {201, "[]", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {201, R"({"sid":"SM0123456789abcdef0123456789abcde"})", in_doubt, "unreadable_reply", "",
            FaultScope::provider},
           {201, R"({"sid":"XX0123456789abcdef0123456789abcdef"})", in_doubt, "unreadable_reply", "",
            FaultScope::provider},
           {201, R"({"sid":"SM0123456789abcdeg0123456789abcdef"})", in_doubt, "unreadable_reply", "",
            FaultScope::provider},
           {201, R"({"sid":12})", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {201, sent(R"(,"sid":"SMffffffffffffffffffffffffffffffff")"), in_doubt, "unreadable_reply", "",
            FaultScope::provider},
           {201, sent("").substr(0, 30), in_doubt, "unreadable_reply", "", FaultScope::provider},
           {204, "", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {0, "", in_doubt, "unreadable_reply", "", FaultScope::provider},
           {101, "", in_doubt, "unreadable_reply", "", FaultScope::provider},
           // By Twilio's code, whatever the HTTP status.
           {401, error(20003), retryable, "auth_failed", "20003", FaultScope::credential},
           {404, error(20404), retryable, "auth_failed", "20404", FaultScope::credential},
           {429, error(20429), retryable, "throttled", "20429", account, true},
           {500, error(20500), retryable, "provider_error", "20500", FaultScope::provider},
           {502, error(20503), retryable, "provider_error", "20503", FaultScope::provider},
           {400, error(21211), permanent, "unknown_recipient", "21211", recipient},
           {400, error(21212), retryable, "sender_refused", "21212", sender},
           {400, error(21408), retryable, "account_refused", "21408", account},
           {400, error(21601), retryable, "sender_refused", "21601", sender},
           {400, error(21602), permanent, "message_refused", "21602"},
           {400, error(21604), permanent, "message_refused", "21604"},
           {400, error(21606), retryable, "sender_refused", "21606", sender},
           {400, error(21607), retryable, "sender_refused", "21607", sender},
           {400, error(21608), retryable, "account_refused", "21608", account},
           {400, error(21610), permanent, "opted_out", "21610", recipient, false, true},
           {400, error(21611), retryable, "throttled", "21611", sender, true},
           {400, error(21612), permanent, "recipient_refused", "21612", recipient},
           {400, error(21614), permanent, "unknown_recipient", "21614", recipient},
           {400, error(21659), retryable, "sender_refused", "21659", sender},
           {400, error(21660), retryable, "sender_refused", "21660", sender},
           {400, error(21703), retryable, "sender_refused", "21703", sender},
           {400, error(30001), retryable, "throttled", "30001", account, true},
           {400, error(30002), retryable, "account_refused", "30002", account},
           {400, error(30003), retryable, "recipient_unreachable", "30003", recipient},
           {400, error(30004), permanent, "recipient_refused", "30004", recipient},
           {400, error(30005), permanent, "unknown_recipient", "30005", recipient},
           {400, error(30006), permanent, "unknown_recipient", "30006", recipient},
           {400, error(30007), permanent, "message_refused", "30007"},
           {400, error(30008), retryable, "provider_error", "30008", FaultScope::provider},
           {400, error(30022), retryable, "throttled", "30022", sender, true},
           {400, error(30027), retryable, "throttled", "30027", sender, true},
           {400, error(30036), permanent, "message_refused", "30036"},
           {400, error(30410), in_doubt, "provider_timed_out", "30410", FaultScope::provider},
           {400, error(63018), retryable, "throttled", "63018", sender, true},
           // By the HTTP status where the code is new or missing.
           {400, error(29999), permanent, "message_refused", "29999"},
           {400, "", permanent, "message_refused", ""},
           {429, "slow down", retryable, "throttled", "", account, true},
           {408, "", retryable, "provider_error", "", FaultScope::provider},
           {401, "", retryable, "auth_failed", "", FaultScope::credential},
           {403, "", retryable, "auth_failed", "", FaultScope::credential},
           {404, "<html>", retryable, "auth_failed", "", FaultScope::credential},
           {302, "", retryable, "unexpected_redirect", "", account},
           {500, "<html>", retryable, "provider_error", "", FaultScope::provider},
           {503, "", retryable, "provider_error", "", FaultScope::provider},
           {502, "<html>", in_doubt, "gateway_error", "", FaultScope::provider},
           {504, "", in_doubt, "gateway_error", "", FaultScope::provider},
           {600, "", in_doubt, "unreadable_reply", "", FaultScope::provider},
       }) {
    auto outcome = adapter->parse({row.status, {}, row.body});
    INFO(row.status << " " << row.body);
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.provider_code == row.code);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == row.is_throttled);
    CHECK(outcome.is_opted_out == row.is_opted_out);
    CHECK(outcome.status_code == row.status);
    CHECK((outcome.kind != accepted || outcome.provider_reference == kSid));
  }
  CHECK(adapter->parse({201, {}, sent(R"(,"status":"queued","num_segments":"3")")}).parts == 3);
  const std::string capitals = "SM0123456789ABCDEF0123456789ABCDEF";  // the description's pattern has them too
  CHECK(adapter->parse({201, {}, R"({"status":"queued","sid":")" + capitals + "\"}"}).provider_reference == capitals);
}

TEST_CASE("twilio's Retry-After is read as seconds or as a date") {
  struct Row {
    std::string retry_after, date;
    std::optional<int64_t> ms;
  };
  auto provider = twilio();
  const std::string noon = "Sun, 22 Nov 2026 12:00:00 GMT";
  for (auto& row : std::vector<Row>{
           {"", noon, std::nullopt},
           {"0", "", 0},
           {"7", "", 7000},
           {"99999999999999999999", "", 604800000},
           {"-1", "", std::nullopt},
           {"1.5", "", std::nullopt},
           {"soon", noon, std::nullopt},
           {"Sun, 22 Nov 2026 12:00:30 GMT", noon, 30000},
           {"Sunday, 22-Nov-26 12:00:30 GMT", noon, 30000},
           {"Sun Nov 22 12:00:30 2026", noon, 30000},
           {"Sun, 22 Nov 2026 11:00:00 GMT", noon, 0},
           {"Sun, 22 Nov 2026 12:00:30 GMT", "", std::nullopt},
       }) {
    INFO(row.retry_after);
    auto outcome = provider->parse({429, {{"date", row.date}, {"retry-after", row.retry_after}}, ""});
    CHECK(outcome.retry_after_ms == row.ms);
    CHECK(outcome.is_throttled);
  }
}

TEST_CASE("twilio's published signatures verify and tampered ones do not") {
  const auto vectors = testing::webhook_vectors("twilio-hmac-sha1");
  REQUIRE(vectors.size() == 7);
  for (auto& vector : vectors) {
    INFO(vector.name);
    auto settings = twilio_settings();
    settings.secrets["auth_token"] = Secret(vector.key);
    auto provider = twilio(settings);
    const CallbackRequest& request = vector.request;
    auto verdict = provider->verify(request);
    CHECK(verdict.is_genuine == vector.is_valid);
    CHECK(verdict.reason == "");

    auto tampered = request;
    tampered.body[tampered.body.size() - 2] ^= 1;
    CHECK(!provider->verify(tampered).is_genuine);
    tampered = request;
    tampered.body += request.body.front() == '{' ? " " : "&x=1";
    CHECK(!provider->verify(tampered).is_genuine);
    tampered = request;
    tampered.public_url += "&m=x";
    CHECK(provider->verify(tampered).reason == "bad signature");
    tampered = request;
    tampered.public_url.insert(tampered.public_url.find("://") + 3, "other.");
    CHECK(provider->verify(tampered).reason == "bad signature");
    tampered = request;
    for (auto& [name, value] : tampered.headers)
      if (name == "x-twilio-signature") value = "RSOYDt4T1cUTdK1PDd93/VVr8B9=";
    CHECK(provider->verify(tampered).reason == "bad signature");
    tampered = request;
    std::erase_if(tampered.headers, [](auto& header) { return header.first == "x-twilio-signature"; });
    CHECK(provider->verify(tampered).reason == "no signature header");
    CHECK(provider->verify(tampered).is_unsigned);
    tampered = request;
    tampered.headers.emplace_back("x-twilio-signature", "AAAA");
    CHECK(!provider->verify(tampered).is_genuine);
    settings.secrets["auth_token"] = Secret("12346");
    CHECK(twilio(settings)->verify(request).reason == "bad signature");
  }
}

TEST_CASE("a signed URL does not cover a body that is neither form nor digested") {
  auto request = callback("https://signet.example/webhooks/main?m=1", "");
  CHECK(twilio()->verify(request).is_genuine);
  request.headers[0].second = "application/json";
  request.body = "{}";
  CHECK(twilio()->verify(request).reason == "body not covered by the signature");
  request.headers.erase(request.headers.begin());
  CHECK(twilio()->verify(request).reason == "body not covered by the signature");
}

TEST_CASE("repeated parameters are signed once and in order, also without values") {
  // As twilio-python: the values of one name sorted, doubles dropped.
  const std::string url = "https://signet.example/x";
  auto request = callback(url, "");
  request.body = "b=2&a=9&b=1&b=2&c=";
  request.headers[1].second = to_base64(hmac_sha1("12345", url + "a9b1b2c"));
  CHECK(twilio()->verify(request).is_genuine);
  request.body = "b=2&a=9&b=1&b=2&c=%zz";
  CHECK(twilio()->verify(request).reason == "unreadable body");
}

TEST_CASE("twilio's callbacks become receipts with the echo of the attempt") {
  struct Row {
    std::string status, more;
    ReceiptKind kind;
    std::string code = "";
    bool is_partial = false;
  };
  auto provider = twilio();
  const std::string id = "0193b3c4-0000-7000-8000-00000000abcd";
  for (auto& row : std::vector<Row>{
           {"accepted", "", ReceiptKind::queued},
           {"scheduled", "", ReceiptKind::queued},
           {"queued", "", ReceiptKind::queued},
           {"sending", "", ReceiptKind::queued},
           {"sent", "", ReceiptKind::sent},
           {"delivered", "", ReceiptKind::delivered},
           {"read", "", ReceiptKind::delivered},
           {"partially_delivered", "", ReceiptKind::delivered, "", true},
           {"undelivered", "&ErrorCode=30003", ReceiptKind::failed, "30003"},
           {"failed", "&ErrorCode=21610", ReceiptKind::failed, "21610"},
           {"canceled", "", ReceiptKind::failed},
           {"failed", "&ErrorCode=%2B15558675310", ReceiptKind::failed, ""},
       }) {
    INFO(row.status << row.more);
    auto request = callback("https://signet.example/webhooks/main?m=" + id + ".2", status_body(row.status, row.more));
    REQUIRE(provider->verify(request).is_genuine);
    auto receipts = provider->receipts(request);
    REQUIRE(receipts);
    const bool is_opted_out = std::string(row.more) == "&ErrorCode=21610";  // failed, and the recipient opted out
    REQUIRE(receipts->size() == (is_opted_out ? 2u : 1u));
    if (is_opted_out) CHECK(name(receipts->back().kind) == name(ReceiptKind::opted_out));
    auto& receipt = receipts->front();
    CHECK(receipt.message_id == *parse_uuid(id));
    CHECK(receipt.attempt_no == 2);
    CHECK(receipt.provider_reference == kSid);
    CHECK(name(receipt.kind) == name(row.kind));
    CHECK(receipt.provider_code == row.code);
    CHECK(receipt.event_id == kSid + ":" + row.status);
    CHECK(receipt.is_partial == row.is_partial);
  }
}

TEST_CASE("what somebody writes to a twilio number is an inbound, no receipt, and is answered with TwiML") {
  auto provider = twilio();
  const std::string body = "ToCountry=US&MessageSid=" + kSid + "&SmsStatus=received&SmsMessageSid=" + kSid +
                           "&NumMedia=0&Body=%20Stop%0A&From=%2B15558675310&To=%2B15005550006&AccountSid=AC1";
  auto request = callback("https://signet.example/webhooks/main", body);
  auto receipts = provider->receipts(request);
  REQUIRE(receipts);
  CHECK(receipts->empty());
  auto inbounds = provider->inbounds(request);
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  const auto& inbound = inbounds->front();
  CHECK(inbound.from.reveal() == "+15558675310");
  CHECK(inbound.to == "+15005550006");
  CHECK(inbound.text.reveal() == " Stop\n");
  CHECK(inbound.event_id == kSid);
  CHECK_FALSE(inbound.is_answered);
  auto answered = provider->inbounds(callback("https://signet.example/webhooks/main", body + "&OptOutType=STOP"));
  REQUIRE(answered);
  CHECK(answered->front().is_answered);
  const std::string from_short_code = "SmsStatus=received&From=24273&To=%2B15005550006&Body=x&MessageSid=" + kSid;
  CHECK(provider->inbounds(callback("https://signet.example/webhooks/main", from_short_code))->empty());
  CHECK(provider->inbounds(callback("https://signet.example/webhooks/main", status_body("sent")))->empty());
  CHECK_FALSE(provider->inbounds(callback("https://signet.example/webhooks/main", "SmsStatus=received&Body=x")).ok());
  auto as_get = callback("https://signet.example/webhooks/main?" + body, "");
  as_get.method = "GET";
  as_get.headers.erase(as_get.headers.begin());
  REQUIRE(provider->verify(as_get).is_genuine);
  CHECK(provider->receipts(as_get)->empty());
  CHECK(provider->inbounds(as_get)->front().text.reveal() == " Stop\n");
  const auto reply = provider->answer("Call <us> & ask");
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(reply->headers ==
        std::vector<std::pair<std::string, std::string>>{{"Content-Type", "text/xml; charset=utf-8"}});
  CHECK(reply->body ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message>Call &lt;us&gt; &amp; ask</Message></Response>");
}

TEST_CASE("an echo is read from query or path, and a broken one is none") {
  auto provider = twilio();
  const std::string id = "0193b3c4-0000-7000-8000-00000000abcd";
  auto echo = [&](const std::string& tail) {
    auto receipts = provider->receipts(callback("https://signet.example/webhooks/main" + tail, status_body("sent")));
    REQUIRE(receipts);
    auto& receipt = receipts->front();
    return (receipt.message_id ? receipt.message_id->text() : "none") + "." + std::to_string(receipt.attempt_no);
  };
  CHECK(echo("?m=" + id + ".1") == id + ".1");
  CHECK(echo("?x=1&m=" + id + ".7") == id + ".7");
  CHECK(echo("/" + id + ".3") == id + ".3");
  for (auto& tail : std::vector<std::string>{"", "?m=", "?m=x.1", "?m=" + id, "?m=" + id + ".0", "?m=" + id + ".-1",
                                             "?m=" + id + ".99999", "?m=" + id + ".1x", "?n=" + id + ".1"})
    CHECK(echo(tail) == "none.0");
}

TEST_CASE("a callback that says nothing known is an error, not a receipt") {
  auto provider = twilio();
  const std::string url = "https://signet.example/webhooks/main";
  CHECK(!provider->receipts(callback(url, "")));
  CHECK(!provider->receipts(callback(url, status_body("levitating"))));
  CHECK(!provider->receipts(callback(url, "MessageSid=SM1&MessageStatus=sent")));
  CHECK(!provider->receipts(callback(url, "MessageStatus=sent")));
  auto request = callback(url, status_body("sent"));
  request.headers[0].second = "application/json";
  CHECK(!provider->receipts(request));
}

}  // namespace signet
