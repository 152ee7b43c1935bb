#include <catch2/catch.hpp>

#include "providers/standard_webhook.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

const std::string kKey = *webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
constexpr WallTime kNow{1'795'307'286'000'000};

std::unique_ptr<Provider> gateway(ProviderSettings settings = testing::gateway_settings()) {
  auto made = make_provider(settings);
  if (!made) FAIL(made.error().text);
  return std::move(*made);
}

CallbackRequest signed_callback(const std::string& body, WallTime signed_at = kNow) {
  CallbackRequest request;
  request.public_url = testing::outbound().callback_url;
  request.body = body;
  request.received_at = kNow;
  request.headers = webhook_headers(kKey, "evt_1", signed_at, body);
  return request;
}

}  // namespace

TEST_CASE("a gateway gets the message as JSON, its key and where to call back") {
  const auto request = gateway()->build(testing::outbound());
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/send");
  CHECK(request.headers == std::vector<std::pair<std::string, std::string>>{
                               {"Accept", "application/json"},
                               {"Authorization", "Bearer t0ken"},
                               {"Content-Type", "application/json"},
                               {"Idempotency-Key", "0193b3c4-0000-7000-8000-00000000abcd.1.0"}});
  CHECK(request.body ==
        R"({"id":"0193b3c4-0000-7000-8000-00000000abcd.2","kind":"sms","to":"+15558675310","subject":"",)"
        R"("text":"Your results are ready.",)"
        R"("callbackUrl":"https://signet.example/webhooks/main?m=0193b3c4-0000-7000-8000-00000000abcd.2"})");
}

TEST_CASE("a gateway's reply is believed where it is definite") {
  const struct {
    int status;
    const char* body;
    OutcomeKind kind;
    const char* reason;
  } rows[] = {
      {200, R"({"id":"g-1"})", OutcomeKind::accepted, ""},
      {202, R"({"id":"g-1","more":[1,2]})", OutcomeKind::accepted, ""},
      {200, R"({"id":"g-1","id":"g-2"})", OutcomeKind::in_doubt, "unreadable_reply"},
      {200, R"({"id":"with space"})", OutcomeKind::in_doubt, "unreadable_reply"},
      {204, "", OutcomeKind::in_doubt, "unreadable_reply"},
      {302, "", OutcomeKind::retryable, "unexpected_redirect"},
      {400, R"({"code":"bad_text"})", OutcomeKind::permanent, "message_refused"},
      {401, "", OutcomeKind::retryable, "auth_failed"},
      {409, "", OutcomeKind::in_doubt, "provider_error"},
      {422, R"({"code":"opted_out"})", OutcomeKind::permanent, "opted_out"},
      {422, R"({"code":"unknown_recipient"})", OutcomeKind::permanent, "unknown_recipient"},
      {429, "", OutcomeKind::retryable, "throttled"},
      {500, "", OutcomeKind::in_doubt, "gateway_error"},
      {503, "", OutcomeKind::retryable, "provider_error"},
  };
  for (const auto& row : rows) {
    INFO(row.status << " " << row.body);
    const auto outcome = gateway()->parse({row.status, {{"retry-after", "7"}}, row.body});
    CHECK(outcome.kind == row.kind);
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.is_throttled == (row.status == 429));
    CHECK(outcome.is_opted_out == (std::string(row.reason) == "opted_out"));
    CHECK(outcome.retry_after_ms.has_value() == (row.kind == OutcomeKind::retryable));
    if (row.kind == OutcomeKind::accepted) CHECK(outcome.provider_reference == "g-1");
  }
  CHECK(gateway()->parse({400, {}, R"({"code":"bad_text"})"}).provider_code == "bad_text");
}

TEST_CASE("a gateway is asked for an attempt by our own reference") {
  const auto request = gateway()->build_look_up({*parse_uuid("0193b3c4-0000-7000-8000-00000000abcd"), 2, ""});
  CHECK(request.method == "GET");
  CHECK(request.url == "http://127.0.0.1:1/sent?id=0193b3c4-0000-7000-8000-00000000abcd.2");
  const struct {
    int status;
    const char* body;
    Found found;
  } rows[] = {
      {200, R"({"status":"accepted","id":"g-1"})", Found::accepted},
      {200, R"({"status":"failed","id":"g-1","code":"blocked"})", Found::refused},
      {200, R"({"status":"unknown"})", Found::nothing},
      {404, R"({"status":"unknown"})", Found::nothing},
      {404, R"({"status":"accepted","id":"g-1"})", Found::unknown},
      {404, "", Found::unknown},  // of a wrong URL, perhaps
      {500, R"({"status":"unknown"})", Found::unknown},
  };
  for (const auto& row : rows) {
    INFO(row.status << " " << row.body);
    CHECK(gateway()->parse_look_up({row.status, {}, row.body}).found == row.found);
  }
  CHECK(gateway()->parse_look_up({200, {}, rows[0].body}).provider_reference == "g-1");
  auto settings = testing::gateway_settings();
  settings.values.erase("look_up_url");
  CHECK_FALSE(gateway(settings)->has_look_up());
}

TEST_CASE("a gateway's receipt counts if it is signed, and says what happened to which attempt") {
  const auto provider = gateway();
  const struct {
    const char* type;
    ReceiptKind kind;
  } rows[] = {{"queued", ReceiptKind::queued},       {"sent", ReceiptKind::sent},
              {"delivered", ReceiptKind::delivered}, {"failed", ReceiptKind::failed},
              {"bounced", ReceiptKind::bounced},     {"complained", ReceiptKind::complained},
              {"opted_out", ReceiptKind::opted_out}};
  for (const auto& row : rows) {
    INFO(row.type);
    const auto request =
        signed_callback(R"({"type":"message.)" + std::string(row.type) + R"(","data":{"id":"g-1","code":"c7"}})");
    REQUIRE(provider->verify(request).is_genuine);
    const auto receipts = provider->receipts(request);
    REQUIRE(receipts);
    REQUIRE(receipts->size() == 1);
    const Receipt& receipt = receipts->front();
    CHECK(receipt.kind == row.kind);
    CHECK(receipt.message_id == testing::outbound().message_id);
    CHECK(receipt.attempt_no == 2);
    CHECK(receipt.provider_reference == "g-1");
    CHECK(receipt.provider_code == "c7");
    CHECK(receipt.event_id == "evt_1");
  }
  for (const char* body : {R"({"type":"message.lost","data":{"id":"g-1"}})", R"({"type":"message.sent"})", "[]", ""})
    CHECK_FALSE(provider->receipts(signed_callback(body)));
}

TEST_CASE("a forged, changed or old receipt of a gateway is not genuine") {
  const auto provider = gateway();
  const std::string body = R"({"type":"message.delivered","data":{"id":"g-1"}})";
  auto changed = signed_callback(body);
  changed.body += " ";
  CHECK_FALSE(provider->verify(changed).is_genuine);
  auto renamed = signed_callback(body);
  renamed.headers[0].second = "evt_2";
  CHECK_FALSE(provider->verify(renamed).is_genuine);
  CHECK_FALSE(provider->verify(signed_callback(body, {kNow.us - 301 * 1'000'000LL})).is_genuine);
  CHECK_FALSE(provider->verify(signed_callback(body, {kNow.us + 301 * 1'000'000LL})).is_genuine);
  auto doubled = signed_callback(body);
  doubled.headers.push_back(doubled.headers[2]);
  CHECK_FALSE(provider->verify(doubled).is_genuine);
  auto rotated = signed_callback(body);
  rotated.headers[2].second = "v1,AAAA v1a,BBBB " + rotated.headers[2].second;
  CHECK(provider->verify(rotated).is_genuine);
}

TEST_CASE("a gateway without an echo is known by its own reference") {
  auto settings = testing::gateway_settings();
  settings.values["echo"] = "false";
  const auto provider = gateway(settings);
  CHECK(provider->has_receipts());
  CHECK_FALSE(provider->has_echo());
  CHECK(provider->build(testing::outbound()).body.find("callbackUrl") == std::string::npos);
  const auto receipts = provider->receipts(signed_callback(R"({"type":"message.sent","data":{"id":"g-1"}})"));
  REQUIRE(receipts);
  CHECK_FALSE(receipts->front().message_id);
  CHECK(receipts->front().provider_reference == "g-1");
  CHECK_FALSE(provider->receipts(signed_callback(R"({"type":"message.sent","data":{}})")));
}

TEST_CASE("a gateway's class of doubt is what is set, else the best that it has") {
  auto settings = testing::gateway_settings();
  CHECK(doubt_rules(*gateway(settings), settings)->provider_class == DoubtClass::queryable);
  settings.key_life_ms = 60000;
  CHECK(doubt_rules(*gateway(settings), settings)->provider_class == DoubtClass::idempotent);
  settings.key_life_ms = 0;
  settings.values.erase("look_up_url");
  CHECK(doubt_rules(*gateway(settings), settings)->provider_class == DoubtClass::blind);
  settings.in_doubt = "idempotent";
  auto made = make_provider(settings);
  REQUIRE(!made);
  CHECK(made.error().text.find("key_life_s") != std::string::npos);
}

}  // namespace signet
