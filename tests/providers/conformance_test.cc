// One suite for every adapter in providers.def: what the engine relies on, whichever provider it is.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bytes.h"
#include "providers/echo_tag.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

std::unique_ptr<Provider> made(const std::string& adapter) {
  auto provider = make_provider(testing::working_settings().at(adapter));
  REQUIRE(provider);
  return std::move(*provider);
}

constexpr Kind kKinds[] = {Kind::sms, Kind::email, Kind::letter};

Kind kind_of(const Provider& provider) { return provider.can_send(Kind::sms) ? Kind::sms : Kind::email; }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The body, and the mail that it may have within it in base64.
std::string said_in(const HttpRequest& request) {
  const auto json = nlohmann::json::parse(request.body, nullptr, false);
  const nlohmann::json::json_pointer raw("/Content/Raw/Data");
  if (!json.is_object() || !json.contains(raw)) return request.body;
  return request.body + from_base64(json[raw].get<std::string>()).value();
}

}  // namespace

TEST_CASE("every adapter is known by its name, with settings that work") {
  std::set<std::string> names;
  for (auto& info : adapters()) {
    INFO(info.adapter);
    CHECK(names.insert(info.adapter).second);
    REQUIRE(testing::working_settings().contains(info.adapter));
    auto provider = made(info.adapter);
    int sendable = 0;
    for (auto kind : kKinds) sendable += provider->can_send(kind);
    CHECK(sendable > 0);
    CHECK((!provider->has_echo() || provider->has_receipts()));
  }
  CHECK(names.size() >= 2);
}

TEST_CASE("an adapter that does not exist is refused with the names of those that do") {
  ProviderSettings settings;
  settings.name = "x";
  settings.adapter = "pigeon";
  auto provider = make_provider(settings);
  REQUIRE(!provider);
  for (auto& info : adapters()) CHECK(has(provider.error().text, info.adapter));
  CHECK(has(provider.error().text, "\"pigeon\""));
}

TEST_CASE("a required setting that is missing or empty is refused by its key") {
  for (auto& info : adapters()) {
    for (auto& setting : info.settings) {
      if (!setting.is_required) continue;
      INFO(info.adapter << " " << setting.key);
      auto settings = testing::working_settings().at(info.adapter);
      settings.values.erase(setting.key);
      settings.secrets.erase(setting.key);
      auto provider = make_provider(settings);
      REQUIRE(!provider);
      CHECK(provider.error().code == ErrorCode::invalid);
      CHECK(has(provider.error().text, setting.key + (setting.is_secret ? "_file" : "")));
      CHECK(has(provider.error().text, "\"" + settings.name + "\""));
      if (setting.is_secret)
        settings.secrets.emplace(setting.key, Secret(""));
      else
        settings.values[setting.key] = "";
      CHECK(!make_provider(settings));
    }
  }
}

TEST_CASE("a request shows the patient nowhere but in the body, and twice built is the same") {
  for (auto& info : adapters()) {
    INFO(info.adapter);
    auto provider = made(info.adapter);
    auto message = testing::outbound(kind_of(*provider));
    message.subject = Phi<std::string>("Befund zu Knie");
    message.body = Phi<std::string>("Termin um neun");
    if (provider->protocol() == Protocol::http) {
      auto request = provider->build(message);
      std::string open = request.method + request.url;
      for (auto& [name, value] : request.headers) open += name + value;
      for (std::string secret : {"15558675310", "example.net", "Befund", "Knie", "Termin", "neun"})
        CHECK(!has(open, secret));
      CHECK(has(said_in(request), "neun"));
      auto again = provider->build(message);
      CHECK((request.url == again.url && request.headers == again.headers && request.body == again.body));
    } else if (provider->protocol() == Protocol::smpp) {
      auto request = provider->build_link(message);
      REQUIRE(request);
      CHECK(has(request->parts.at(0), "neun"));
      CHECK(request->parts == provider->build_link(message)->parts);
    } else {
      auto mail = provider->build_mail(message, WallTime{1795305600000000});
      REQUIRE(mail);
      CHECK(mail->to == message.recipient.reveal());
      CHECK(mail->envelope_id == message.echo());
      std::istringstream lines(mail->data.substr(0, mail->data.find("\r\n\r\n")));
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("To:") || line.starts_with("Subject:")) continue;
        for (std::string secret : {"patient", "Befund", "Knie", "Termin", "neun"}) CHECK(!has(line, secret));
      }
      auto again = provider->build_mail(message, WallTime{1795305600000000});
      REQUIRE(again);
      CHECK(mail->data == again->data);
    }
  }
}

TEST_CASE("I6 rubbish is never taken for acceptance") {
  const std::string bodies[] = {"",
                                "{",
                                "null",
                                "[]",
                                "<html>ok</html>",
                                std::string(70000, 'a'),
                                std::string(3, '\0'),
                                "{\"id\":\"\"}",
                                "OK",
                                std::string("\xff\xfe", 2),
                                std::string(5000, '[')};
  for (auto& info : adapters()) {
    INFO(info.adapter);
    auto provider = made(info.adapter);
    if (provider->protocol() == Protocol::http) {
      for (int status : {0, 100, 200, 201, 202, 204, 301, 400, 401, 404, 429, 500, 503, 599, 999})
        for (auto& body : bodies) {
          auto outcome = provider->parse({status, {{"content-type", "application/json"}}, body});
          CHECK(outcome.kind != OutcomeKind::accepted);
          CHECK(!outcome.reason.empty());
          CHECK(outcome.status_code == status);
          if (status >= 200 && status < 300) CHECK(outcome.kind == OutcomeKind::in_doubt);
        }
    } else if (provider->protocol() == Protocol::smpp) {
      using enum LinkReply::Stage;
      for (auto stage : {bind, submit})
        for (uint32_t status : {0u, 1u, 0x58u, 0x400u, 0xffffffffu})
          for (std::string id : {"", " ", "\x01"}) {
            auto outcome = provider->parse_link({stage, status, id});
            CHECK(outcome.kind != OutcomeKind::accepted);
            CHECK(!outcome.reason.empty());
            if (stage == submit && status == 0) CHECK(outcome.kind == OutcomeKind::in_doubt);
          }
    } else {
      using enum MailReply::Stage;
      for (auto stage : {connect, greeting, hello, tls, auth, mail, rcpt, data, final_dot})
        for (int code : {0, 1, 199, 200, 250, 299, 300, 354, 399, 421, 450, 499, 500, 550, 599, 600, 999, -1}) {
          auto outcome = provider->parse_mail({code, "", "rubbish", stage});
          bool is_taken = stage == final_dot && code >= 200 && code < 300;
          CHECK((outcome.kind == OutcomeKind::accepted) == is_taken);
          CHECK((is_taken || !outcome.reason.empty()));
        }
    }
  }
}

TEST_CASE("what an adapter says that it can do about doubts, it can") {
  const Sent sent{*parse_uuid("0193b3c4-0000-7000-8000-00000000abcd"), 3, "ref-1"};
  for (auto& info : adapters()) {
    INFO(info.adapter);
    auto provider = made(info.adapter);
    if (provider->has_key()) {
      auto message = testing::outbound(kind_of(*provider));
      auto request = provider->build(message);
      std::string all = request.body;
      for (auto& [name, value] : request.headers) all += "\n" + value;
      CHECK(has(all, message.idempotency_key));
      message.attempt_no++;  // another attempt, the same key
      request = provider->build(message);
      all = request.body;
      for (auto& [name, value] : request.headers) all += "\n" + value;
      CHECK(has(all, message.idempotency_key));
    }
    if (!provider->has_look_up()) continue;
    const auto request = provider->build_look_up(sent);
    CHECK((has(request.url, sent.echo()) || has(request.body, sent.echo())));
    // Only a definite word counts: whatever else comes back, the message stays in doubt.
    for (int status : {0, 200, 204, 301, 400, 401, 404, 429, 500, 502})
      for (std::string body : {"", "{", "null", "[]", "{}", "<html>ok</html>", "{\"status\":\"\"}", "not found"})
        CHECK(provider->parse_look_up({status, {}, body}).found == Found::unknown);
  }
}

TEST_CASE("every adapter's class of doubt may be set to what it can, and to nothing better") {
  for (auto& info : adapters()) {
    INFO(info.adapter);
    auto settings = testing::working_settings().at(info.adapter);
    const auto provider = made(info.adapter);
    settings.in_doubt = "blind";
    REQUIRE(doubt_rules(*provider, settings));
    CHECK(doubt_rules(*provider, settings)->provider_class == DoubtClass::blind);
    settings.in_doubt = "queryable";
    CHECK(doubt_rules(*provider, settings).ok() == provider->has_look_up());
    settings.in_doubt = "idempotent";
    settings.key_life_ms = 60000;
    const auto rules = doubt_rules(*provider, settings);
    REQUIRE(rules.ok() == provider->has_key());
    if (rules) CHECK((rules->provider_class == DoubtClass::idempotent && rules->key_life_ms == 60000));
    settings.in_doubt = "psychic";
    CHECK(!doubt_rules(*provider, settings));
    CHECK(!make_provider(settings));
  }
}

TEST_CASE("an unsigned callback is not genuine") {
  for (auto& info : adapters()) {
    INFO(info.adapter);
    auto provider = made(info.adapter);
    CallbackRequest request;
    request.public_url = testing::outbound().callback_url;
    for (std::string body : {"", "{}", "a=b"}) {
      request.body = body;
      auto verdict = provider->verify(request);
      CHECK(!verdict.is_genuine);
      CHECK(!verdict.reason.empty());
    }
    if (!provider->has_receipts()) CHECK(!provider->receipts(request));
  }
}

TEST_CASE("an echo that is given to a provider names the attempt when it comes back") {
  auto message = testing::outbound();
  auto echo = parse_echo(message.echo());
  REQUIRE(echo);
  CHECK(echo->message_id == message.message_id);
  CHECK(echo->attempt_no == message.attempt_no);
  for (auto& info : adapters()) {
    INFO(info.adapter);
    auto provider = made(info.adapter);
    if (!provider->has_echo() || provider->protocol() != Protocol::http) continue;
    auto request = provider->build(message);
    const auto said = said_in(request) + request.url;
    CHECK((has(said, message.echo()) || has(said, tag_of(message.echo()))));
  }
}

}  // namespace signet
