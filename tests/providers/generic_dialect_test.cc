// Providers that have no adapter here, by the configuration alone.
#include <catch2/catch.hpp>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/webhook_crypto.h"
#include "config/config.h"
#include "tests/base/files.h"
#include "tests/providers/support.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using testing::outbound;
using Headers = std::vector<std::pair<std::string, std::string>>;

const std::string kMessage = "0193b3c4-0000-7000-8000-00000000abcd";
constexpr WallTime kNow{1'795'307'286'000'000};

std::unique_ptr<Provider> made(const ProviderSettings& settings) {
  auto provider = make_provider(settings);
  if (!provider) FAIL(provider.error().text);
  return std::move(*provider);
}

// Sinch, as docs/operations.md describes it and signetd reads it.
ProviderSettings sinch_settings() {
  static const auto entry = [] {
    const auto docs = testing::read_text("docs/operations.md");
    const auto begin = docs.find("  - name: sinch");
    REQUIRE(begin != docs.npos);
    const TestDir folder;
    std::ofstream(folder / "signetd.yaml") << "providers:\n" << docs.substr(begin, docs.find("```", begin) - begin);
    const auto loaded = load_config(folder / "signetd.yaml");
    for (const auto& fault : loaded.faults)
      if (fault.key.starts_with("providers")) FAIL(fault.key << " " << fault.text);
    REQUIRE(loaded.config.providers.size() == 1);
    return loaded.config.providers[0];
  }();
  ProviderSettings settings;
  settings.name = entry.name;
  settings.adapter = entry.adapter;
  settings.values = entry.values;
  REQUIRE(entry.secret_files.size() == 2);
  settings.secrets.emplace("token", Secret("t0ken"));
  settings.secrets.emplace("webhook_secret", Secret("SMSWebhooksSecret"));
  return settings;
}

// One of the old kind: a form with the password in it, an error in HTTP 200, receipts as a GET.
ProviderSettings form_settings() {
  ProviderSettings settings;
  settings.name = "old";
  settings.adapter = "generic_http";
  settings.values = {{"url", "https://sms.example/api"},
                     {"content_type", "application/x-www-form-urlencoded"},
                     {"user", "clinic"},
                     {"body", "u={user}&p={token}&dest={to}&msg={text}&ref={id}"},
                     {"accepted_when", "result.status=0|1"},
                     {"id_at", "result.ids.0"},
                     {"code_at", "result.status"},
                     {"codes", "2=auth_failed, 3=throttled, 4=unknown_recipient, 5=opted_out, 6=in_doubt"},
                     {"signature", "header"},
                     {"signature_header", "X-Token"},
                     {"receipt_format", "form"},
                     {"receipt_id_at", "id"},
                     {"receipt_status_at", "state"},
                     {"receipt_code_at", "err"},
                     {"receipt_statuses", "D=delivered, F=failed, S=sent, I=ignored"}};
  settings.secrets.emplace("token", Secret("t0ken"));
  settings.secrets.emplace("webhook_secret", Secret("shared"));
  return settings;
}

CallbackRequest callback(const std::string& body) {
  CallbackRequest request;
  request.public_url = "https://signet.example/webhooks/x?m=" + kMessage + ".2";
  request.body = body;
  request.received_at = kNow;
  return request;
}

}  // namespace

TEST_CASE("a provider without an adapter gets what the configuration describes") {
  const auto sinch = made(sinch_settings())->build(outbound());
  CHECK(sinch.method == "POST");
  CHECK(sinch.url == "https://eu.sms.api.sinch.com/xms/v1/0123456789abcdef/batches");
  CHECK(sinch.headers == Headers{{"Accept", "application/json"},
                                 {"Authorization", "Bearer t0ken"},
                                 {"Content-Type", "application/json"},
                                 {"X-Client", "signet"}});
  CHECK(sinch.body ==
        R"({"to":["15558675310"],"from":"447520651116","body":"Your results are ready.","type":"mt_text",)"
        R"("delivery_report":"per_recipient", )"
        R"("callback_url":"https://signet.example/webhooks/main?m=0193b3c4-0000-7000-8000-00000000abcd.2",)"
        R"("client_reference":"0193b3c4-0000-7000-8000-00000000abcd.2"})");

  auto message = outbound();
  message.body = Phi<std::string>("a&b=\"c\"\n");
  const auto old = made(form_settings())->build(message);
  CHECK(old.url == "https://sms.example/api");
  CHECK(old.body == "u=clinic&p=t0ken&dest=%2B15558675310&msg=a%26b%3D%22c%22%0A&ref=" + message.echo());
  for (const auto& [name, value] : old.headers) CHECK(value.find("t0ken") == std::string::npos);

  auto settings = sinch_settings();
  settings.values["method"] = "PUT";
  settings.values["path"] = "/{id}?k={key}";
  settings.values["headers"] = "Authorization: Basic {basic} | X-Id: {id} | X-Kind: {kind}";
  const auto changed = made(settings)->build(outbound());
  CHECK(changed.method == "PUT");
  CHECK(changed.url == "https://eu.sms.api.sinch.com/" + message.echo() + "?k=" + message.idempotency_key);
  CHECK(changed.headers == Headers{{"Accept", "application/json"},
                                   {"Content-Type", "application/json"},
                                   {"Authorization", "Basic " + to_base64("0123456789abcdef:t0ken")},
                                   {"X-Id", message.echo()},
                                   {"X-Kind", "sms"}});
  settings.values["content_type"] = "text/xml; charset=utf-8";
  settings.values["body"] = "<sms to=\"{to}\">{text}</sms>";
  CHECK(made(settings)->build(message).body == "<sms to=\"+15558675310\">a&amp;b=&quot;c&quot;\n</sms>");
}

TEST_CASE("what a described provider can do follows from its description") {
  const auto sinch = made(sinch_settings());
  CHECK(sinch->can_send(Kind::sms));
  CHECK_FALSE(sinch->can_send(Kind::email));
  CHECK(sinch->has_echo());
  CHECK_FALSE(sinch->has_key());
  CHECK(sinch->callback_way() == CallbackWay::message);
  auto settings = sinch_settings();
  settings.values["echo"] = "false";
  CHECK(made(settings)->callback_way() == CallbackWay::account);
  CHECK(made(settings)->has_echo());  // client_reference brings it back
  settings.values.erase("receipt_echo_at");
  CHECK_FALSE(made(settings)->has_echo());
  settings.secrets.erase("webhook_secret");
  CHECK_FALSE(made(settings)->has_receipts());
  settings.values["headers"] = "Idempotency-Key: {key}";
  CHECK(made(settings)->has_key());
}

TEST_CASE("a described provider's reply is believed where it is definite") {
  struct Row {
    int status;
    std::string body;
    OutcomeKind kind;
    std::string reason, code = "";
  };
  auto result = [](const std::string& status, const std::string& ids = "") {
    return R"({"result":{"status":)" + status + R"(,"ids":[)" + ids + "]}}";
  };
  using enum OutcomeKind;
  const auto old = made(form_settings());
  for (const auto& row : std::vector<Row>{
           {200, result("0", "\"g-1\""), accepted, "", "0"},
           {200, result("\"1\"", "\"g-1\",\"g-2\""), accepted, "", "1"},
           {200, result("0"), in_doubt, "unreadable_reply", "0"},
           {200, result("0", "\"a b\""), in_doubt, "unreadable_reply", "0"},
           {200, result("2"), retryable, "auth_failed", "2"},
           {200, result("3"), retryable, "throttled", "3"},
           {200, result("4"), permanent, "unknown_recipient", "4"},
           {200, result("5", "\"g-1\""), permanent, "opted_out", "5"},
           {200, result("6"), in_doubt, "provider_timed_out", "6"},
           {200, result("77"), permanent, "message_refused", "77"},
           {200, "{}", in_doubt, "unreadable_reply"},
           {200, "<html>ok</html>", in_doubt, "unreadable_reply"},
           {200, "", in_doubt, "unreadable_reply"},
           {400, result("4"), permanent, "unknown_recipient", "4"},
           {500, result("3"), retryable, "throttled", "3"},
           {500, "", in_doubt, "gateway_error"},
           {503, "", retryable, "provider_error"},
       }) {
    INFO(row.status << " " << row.body);
    const auto outcome = old->parse({row.status, {}, row.body});
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.provider_code == row.code);
    CHECK(outcome.is_opted_out == (row.reason == "opted_out"));
    if (row.kind == accepted) CHECK(outcome.provider_reference == "g-1");
  }
  auto settings = form_settings();
  settings.values.erase("accepted_when");
  settings.values["id_at"] = "header:x-message-id";
  settings.values["http_statuses"] = "409=opted_out, 500=provider_error";
  const auto plain = made(settings);
  CHECK(plain->parse({202, {{"x-message-id", "h-1"}}, ""}).provider_reference == "h-1");
  CHECK(plain->parse({202, {}, ""}).kind == in_doubt);
  CHECK(plain->parse({409, {}, ""}).is_opted_out);
  CHECK(plain->parse({500, {}, ""}).kind == retryable);
}

TEST_CASE("sinch's signatures of the vectors verify by a description") {
  for (const auto& vector : testing::webhook_vectors("sinch-hmac-sha256")) {
    INFO(vector.name);
    auto settings = sinch_settings();
    settings.secrets["webhook_secret"] = Secret(vector.key);
    auto request = vector.request;
    const auto headers = nlohmann::json::parse(vector.json)["headers"];
    const auto stamp = headers["x-sinch-webhook-signature-timestamp"].get<std::string>();
    request.received_at = {std::stoll(stamp) * 1'000'000};
    const auto verdict = made(settings)->verify(request);
    CHECK(verdict.is_genuine == vector.is_valid);
    CHECK(verdict.replay_key == headers["x-sinch-webhook-signature-nonce"].get<std::string>());
    request.received_at.us += 301'000'000;
    CHECK(made(settings)->verify(request).reason == "too old");
    request.received_at.us -= 301'000'000;
    request.body += " ";
    CHECK(made(settings)->verify(request).reason == "bad signature");
    settings.secrets["webhook_secret"] = Secret("old\n" + vector.key);
    CHECK(made(settings)->verify(vector.request).reason == "too old");  // the second secret fits
    if (vector.name != "SMS delivery report") continue;
    const auto receipts = made(settings)->receipts(vector.request);
    REQUIRE(receipts);
    CHECK(name(receipts->front().kind) == name(ReceiptKind::delivered));
    CHECK(receipts->front().provider_reference == "01JHFFHQ0P99JPPNQPJDV7JTBP");
    CHECK(receipts->front().provider_code == "0");
    CHECK(receipts->front().event_id == "01JHFFHQ0P99JPPNQPJDV7JTBP:delivered");
  }
}

TEST_CASE("the ways in which a described provider proves that it calls") {
  const std::string body = R"({"type":"message.sent","data":{"id":"g-1"}})";
  struct Row {
    std::string signature, header, value, more_key, more_value;
  };
  const auto mac = [&](WebhookHash hash, const std::string& text) { return hmac(hash, "shared", text); };
  for (const auto& row : std::vector<Row>{
           {"hmac_sha256", "x-s", to_hex(mac(WebhookHash::sha256, body)), "", ""},
           {"hmac_sha1", "x-s", to_hex(mac(WebhookHash::sha1, body)), "", ""},
           {"hmac_sha512", "x-s", to_base64(mac(WebhookHash::sha512, body)), "signature_encoding", "base64"},
           {"hmac_sha256", "x-s", "sha256=" + to_hex(mac(WebhookHash::sha256, body)), "signature_prefix", "sha256="},
           {"hmac_sha256", "x-s", to_hex(mac(WebhookHash::sha256, callback("").public_url + body)), "signature_text",
            "{url}{body}"},
           {"header", "x-s", "shared", "", ""},
           {"basic", "authorization", "Basic " + to_base64("clinic:shared"), "", ""},
       }) {
    INFO(row.signature << " " << row.more_key);
    ProviderSettings settings = testing::gateway_settings();
    settings.values["signature"] = row.signature;
    settings.values["signature_header"] = "X-S";
    settings.values["user"] = "clinic";
    if (!row.more_key.empty()) settings.values[row.more_key] = row.more_value;
    settings.secrets["webhook_secret"] = Secret("shared");
    const auto provider = made(settings);
    auto request = callback(body);
    CHECK(provider->verify(request).is_unsigned);
    request.headers = {{row.header, row.value}};
    CHECK(provider->verify(request).is_genuine);
    request.headers[0].second.back() ^= 1;
    CHECK(provider->verify(request).reason == "bad signature");
    CHECK_FALSE(provider->verify_status(request).is_genuine);
    request.headers[0].second = row.value;
    const auto receipts = provider->receipts(request);
    REQUIRE(receipts);
    CHECK(receipts->front().event_id == kMessage + ".2:sent");
  }
}

TEST_CASE("a described provider's receipts come as a form, by GET, or many at once") {
  const auto old = made(form_settings());
  auto request = callback("id=g-1&state=D&err=7");
  auto receipts = old->receipts(request);
  REQUIRE(receipts);
  CHECK(name(receipts->front().kind) == name(ReceiptKind::delivered));
  CHECK(receipts->front().provider_code == "7");
  request.method = "GET";
  request.public_url = "https://signet.example/webhooks/x?id=g-1&state=F";
  receipts = old->receipts(request);
  REQUIRE(receipts);
  CHECK(name(receipts->front().kind) == name(ReceiptKind::failed));
  CHECK(old->receipts(callback("id=g-1&state=I"))->empty());
  for (const std::string body : {"", "id=g-1", "id=g-1&state=X", "state=D", "%zz"}) {
    INFO(body);
    CHECK(!old->receipts(callback(body)));
  }

  auto settings = form_settings();
  settings.values["receipt_format"] = "json";
  settings.values["receipts_at"] = "events";
  settings.values["receipt_event_at"] = "event";
  const auto batch = made(settings);
  receipts = batch->receipts(callback(R"({"events":[{"id":"g-1","state":"D","event":"e1"},{"id":"g-2","state":"I"},)"
                                      R"({"id":"g-3","state":"F","event":"e3"}]})"));
  REQUIRE(receipts);
  REQUIRE(receipts->size() == 2);
  CHECK(receipts->at(1).provider_reference == "g-3");
  CHECK(receipts->at(1).event_id == "e3");
  CHECK(receipts->at(1).part == R"({"id":"g-3","state":"F","event":"e3"})");
  std::string many = R"({"events":[1)";
  for (int i = 0; i < 1001; i++) many += ",1";
  for (const std::string& body : {std::string("[]"), std::string("{}"), std::string(R"({"events":[1]})"),
                                  std::string(R"({"events":1})"), many + "]}", std::string(6000, '[')}) {
    INFO(body.substr(0, 80));
    CHECK(!batch->receipts(callback(body)));
  }
}

TEST_CASE("what somebody writes back comes by a described provider") {
  const auto sinch = made(sinch_settings());
  const auto request = callback(
      R"({"body":"STOP","from":"15558675310","id":"in-1","to":"447520651116","type":"mo_text","operator_id":"1"})");
  auto inbounds = sinch->inbounds(request);
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().from.reveal() == "+15558675310");
  CHECK(inbounds->front().text.reveal() == "STOP");
  CHECK(inbounds->front().event_id == "in-1");
  CHECK(sinch->receipts(request)->empty());
  CHECK(!sinch->inbounds(callback(R"({"body":"STOP","from":"15558675310","type":"mo_text"})")));
  inbounds = made(testing::gateway_settings())
                 ->inbounds(callback(R"({"type":"message.received","data":{"id":"in-2","from":"+15558675310",)"
                                     R"("to":"+15005550006","text":"HELP"}})"));
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().text.reveal() == "HELP");
}

TEST_CASE("a description that cannot work is refused by its key") {
  const struct {
    const char *key, *value, *says;
  } rows[] = {{"method", "GET", "POST, PUT, PATCH"},
              {"url", "http://sms.example", "in the clear"},
              {"path", "/x?to={to}", "{to}"},
              {"path", "x", "begin it with /"},
              {"path", "/a b", "spaces"},
              {"headers", "X-To: {to}", "{to}"},
              {"headers", "X-Text: {text}", "{text}"},
              {"headers", "nonsense", "Name: value"},
              {"headers", "Host: x", "Name: value"},
              {"headers", "A b: x", "Name: value"},
              {"content_type", "text/plain", "JSON"},
              {"body", R"({"to":"{to}"})", "{text}"},
              {"body", R"({"text":"{text}"})", "{to}"},
              {"body", R"({"to":"{to}","text":"{text}")", "not JSON"},
              {"body", R"({"to":"{to}","text":"{text}","x":"{patient}"})", "{patient}"},
              {"kinds", "fax", "sms, email"},
              {"echo", "maybe", "true, false"},
              {"accepted_when", "status", "member=word"},
              {"accepted_when", "status=", "no word"},
              {"codes", "5=bad", "opted_out"},
              {"codes", "opted_out", "opted_out"},
              {"http_statuses", "200=throttled", "300 to 599"},
              {"http_statuses", "x=throttled", "300 to 599"},
              {"signature", "md5", "hmac_sha256"},
              {"signature", "hmac_sha256", "signature_header"},
              {"signature", "header", "signature_header"},
              {"signature", "basic", "user"},
              {"signature_encoding", "octal", "hex, base64"},
              {"receipt_statuses", "D=arrived", "delivered"},
              {"inbound_when", "type", "member=word"},
              {"receipt_format", "yaml", "json, form"}};
  for (const auto& row : rows) {
    INFO(row.key << ": " << row.value);
    auto settings = testing::gateway_settings();
    settings.values[row.key] = row.value;
    const auto refused = make_provider(settings);
    REQUIRE(!refused);
    CHECK(refused.error().text.find("provider \"gateway\": ") == 0);
    CHECK(refused.error().text.find(row.says) != std::string::npos);
    CHECK(refused.error().text.find("t0ken") == std::string::npos);
  }
  auto settings = sinch_settings();
  settings.values["signature_text"] = "{timestamp}.{nonce}";
  CHECK(!make_provider(settings));
  settings = sinch_settings();
  settings.values.erase("timestamp_header");
  CHECK(!make_provider(settings));
  settings = sinch_settings();
  settings.values.erase("nonce_header");
  CHECK(!make_provider(settings));
}

}  // namespace signet
