// docs/providers.md says what is so: its table is what the adapters say of themselves, and its example compiles and
// holds what every adapter must.
#include <catch2/catch.hpp>

#include "providers/standard_webhook.h"
#include "tests/providers/support.h"

namespace signet {

AdapterInfo acme_adapter();  // tests/providers/acme.cc

namespace {

std::string kinds_of(const Provider& provider) {
  std::string out;
  for (const auto kind : {Kind::sms, Kind::email, Kind::letter})
    if (provider.can_send(kind)) out += (out.empty() ? "" : ", ") + std::string(name(kind));
  return out;
}

const char* way_of(const Provider& provider) {
  switch (provider.callback_way()) {
    case CallbackWay::none:
      return "none";
    case CallbackWay::message:
      return "a URL of each message";
    case CallbackWay::account:
      return "a URL of the account";
    case CallbackWay::subscription:
      return "a topic's subscription";
    case CallbackWay::link:
      return "the link";
    case CallbackWay::mail:
      return "mail";
  }
  return "";
}

// `| twilio | sms | blind | a URL of each message | yes | 1600 |`
std::string row_of(const std::string& adapter, const ProviderSettings& settings) {
  const auto provider = make_provider(settings).value();
  std::string doubts = "blind";
  if (provider->has_look_up()) doubts = "queryable";
  if (provider->has_key())
    doubts = provider->key_life_ms() > 0 ? "idempotent, " + std::to_string(provider->key_life_ms() / 3'600'000) + " h"
                                         : "idempotent or " + doubts + ", as you set";
  const auto text_max = provider->text_max();
  return "| " + adapter + " | " + kinds_of(*provider) + " | " + doubts + " | " + way_of(*provider) + " | " +
         (provider->has_echo() ? "yes" : "no") + " | " + (text_max == 0 ? "" : std::to_string(text_max) + " ") + "|";
}

ProviderSettings acme_settings() {
  ProviderSettings settings;
  settings.name = settings.adapter = "acme";
  settings.secrets.emplace("api_key", Secret("k"));
  settings.secrets.emplace("webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  return settings;
}

}  // namespace

TEST_CASE("the table in docs/providers.md has a row for each adapter, as the adapter says it") {
  const std::string docs = testing::read_text("docs/providers.md");
  for (auto [adapter, settings] : testing::working_settings()) {
    // A relay reports only to who can tell that a report is genuine.
    if (adapter == "smtp") settings.secrets.emplace("webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    const std::string row = row_of(adapter, settings);
    INFO(row);
    CHECK(docs.find(row + "\n") != std::string::npos);
  }
}

TEST_CASE("every setting of every adapter is in docs/providers.md, or in docs/operations.md that it points to") {
  const std::string docs = testing::read_text("docs/providers.md") + testing::read_text("docs/operations.md");
  for (const auto& info : adapters())
    for (const auto& setting : info.settings) {
      const std::string key = "`" + setting.key + (setting.is_secret ? "_file`" : "`");
      INFO(info.adapter << " " << key);
      CHECK(docs.find(key) != std::string::npos);
    }
}

TEST_CASE("the example of docs/providers.md is this one, and is under 100 lines") {
  const std::string example = testing::read_text("tests/providers/acme.cc");
  CHECK(std::count(example.begin(), example.end(), '\n') < 100);
  CHECK(testing::read_text("docs/providers.md").find("```cpp\n" + example + "```\n") != std::string::npos);
}

TEST_CASE("the example sends, reads what it is answered, and believes what is signed") {
  const auto acme = acme_adapter().make(acme_settings()).value();
  const auto message = testing::outbound();
  const auto request = acme->build(message);
  CHECK(request.url == "https://api.acme.example/v1/sms");
  CHECK(request.body.find(message.echo()) != std::string::npos);
  CHECK(acme->parse({202, {}, R"({"id":"a-42"})"}).provider_reference == "a-42");
  for (const char* rubbish : {"", "<html>ok</html>", "{}", R"({"id":""})", R"({"id":"a b"})"})
    CHECK(acme->parse({202, {}, rubbish}).kind == OutcomeKind::in_doubt);
  CHECK(acme->parse({404, {}, R"({"code":"no_such_number"})"}).kind == OutcomeKind::permanent);
  CHECK(acme->parse({400, {}, R"({"code":"opted_out"})"}).is_opted_out);
  CHECK(acme->parse({429, {}, ""}).is_throttled);
  CHECK(acme->parse({502, {}, ""}).kind == OutcomeKind::in_doubt);

  CallbackRequest told;
  told.body = R"({"id":"a-42","status":"delivered","reference":")" + message.echo() + "\"}";
  told.received_at = WallTime{1795305600000000};
  const auto key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value();
  told.headers = webhook_headers(key, "msg_1", told.received_at, told.body);
  CHECK(acme->verify(told).is_genuine);
  const auto receipts = acme->receipts(told).value();
  REQUIRE(receipts.size() == 1);
  CHECK(receipts[0].kind == ReceiptKind::delivered);
  CHECK(receipts[0].message_id == message.message_id);
  told.body += ' ';
  CHECK_FALSE(acme->verify(told).is_genuine);
}

}  // namespace signet
