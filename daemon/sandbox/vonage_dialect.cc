// Vonage's Messages API v1 at /v1/messages (developer.vonage.com/messages; callbacks with a JWT by HS256 over the
// body's digest) and its SMS API at /sms/json (callbacks with `sig` over the sorted parameters, here HMAC-SHA256).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/webhook_crypto.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

http::Response refusal(int status, int code, const char* title) {
  return http::json(status, dump({{"type", "https://developer.vonage.com/api-errors/messages#" + std::to_string(code)},
                                  {"title", title},
                                  {"detail", title},
                                  {"instance", "sandbox"}}));
}

std::string e164_of(const std::string& number) {
  return number.empty() || number.starts_with('+') ? number : '+' + number;
}

// What the two have in common: the account.
struct Keys {
  explicit Keys(const ProviderSettings& settings)
      : api_key(secret_of(settings, "api_key")),
        api_secret(std::string(secret_of(settings, "api_secret"))),
        signature_secret(std::string(secret_of(settings, "signature_secret"))) {
    if (const auto pem = secret_of(settings, "private_key"); !pem.empty())
      private_key = RsaSigningKey::from_pem(Secret(std::string(pem))).value();
  }
  std::string api_key;
  Secret api_secret, signature_secret;
  std::optional<RsaSigningKey> private_key = {};  // of the application: theirs, of which we would have the public half
};

class Messages : public Dialect {
 public:
  Messages(const ProviderSettings& settings, std::string url) : keys_(settings), url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == "/v1/messages"; }
  bool is_authorized(const http::Request& request) const override {
    if (!keys_.private_key) return has_basic(request, keys_.api_key, keys_.api_secret.octets());
    // PKCS #1 v1.5 signs the same in the same way: signing again tells whether it was this key.
    const std::string given(request.header("authorization").value_or(""));
    const size_t dot = given.rfind('.');
    if (!given.starts_with("Bearer ") || dot == std::string::npos) return false;
    const auto again = keys_.private_key->sign(WebhookHash::sha256, given.substr(7, dot - 7));
    return again && is_equal_constant_time(to_base64url(*again), given.substr(dot + 1));
  }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "sms";
    arrival.recipient = e164_of(json_at(request.body, "/to"));
    arrival.sender = json_at(request.body, "/from");
    arrival.text = json_at(request.body, "/text");
    out.callback_url = json_at(request.body, "/webhook_url");
    out.handed_back = json_at(request.body, "/client_ref");
    arrival.echo = echo_in(out.handed_back.empty() ? out.callback_url : out.handed_back);
    if (arrival.recipient.empty() || arrival.sender.empty() || arrival.text.empty())
      return {out, refusal(422, 1010, "Missing parameter")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return http::json(401, dump({{"type", "https://developer.vonage.com/api-errors#unauthorized"},
                                     {"title", "Unauthorized"},
                                     {"detail", "You did not provide correct credentials."},
                                     {"instance", "sandbox"}}));
      case Refusal::unknown_recipient:
        return refusal(422, 1040, "Invalid destination");
      case Refusal::opted_out:
        return refusal(422, 1240, "Recipient has opted out");
      case Refusal::throttled:
        return refusal(429, 1000, "Throttled");
      case Refusal::broken:
        break;
    }
    return refusal(500, 1030, "Internal error");
  }

  std::string new_reference(Random& random) const override { return random_uuid(random); }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    return http::json(202, dump({{"message_uuid", reference}}));
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const char* status = news.kind == ReceiptKind::sent        ? "submitted"
                         : news.kind == ReceiptKind::delivered ? "delivered"
                                                               : "undeliverable";
    Json body{{"message_uuid", news.reference},
              {"to", news.submission.arrival.recipient.substr(1)},
              {"from", news.submission.arrival.sender},
              {"timestamp", rfc3339_ms(news.at)},
              {"status", status},
              {"client_ref", news.submission.handed_back},
              {"channel", "sms"}};
    if (news.kind == ReceiptKind::failed)
      body["error"] = {{"type", "https://developer.vonage.com/api-errors/messages#1050"},
                       {"title", "1050"},
                       {"detail", "The number is not reachable"},
                       {"instance", "sandbox"}};
    return call(news.submission.callback_url, body, news.event_id, news.at);
  }

  std::optional<CallBack> write_back(const Answer& answer) const override {
    const Json body{{"message_uuid", answer.reference},
                    {"to", answer.submission.arrival.sender},
                    {"from", answer.submission.arrival.recipient.substr(1)},
                    {"timestamp", rfc3339_ms(answer.at)},
                    {"channel", "sms"},
                    {"message_type", "text"},
                    {"text", answer.text}};
    return call(url_, body, answer.reference, answer.at);
  }

 private:
  std::optional<CallBack> call(const std::string& url, const Json& body, const std::string& event_id,
                               WallTime at) const {
    if (url.empty() || keys_.signature_secret.is_empty()) return std::nullopt;
    CallBack out{url, dump(body), {{"Content-Type", "application/json"}}};
    out.headers.emplace_back("Authorization", "Bearer " + token(out.body, event_id, at));
    return out;
  }

  std::string token(const std::string& body, const std::string& event_id, WallTime at) const {
    const Json claims{{"iat", at.us / 1'000'000},
                      {"jti", to_hex(view(sha256(event_id + std::to_string(at.us)))).substr(0, 32)},
                      {"iss", "Vonage"},
                      {"payload_hash", to_hex(view(sha256(body)))},
                      {"api_key", keys_.api_key}};
    const std::string text = to_base64url(R"({"typ":"JWT","alg":"HS256"})") + '.' + to_base64url(claims.dump());
    return text + '.' + to_base64url(view(hmac_sha256(keys_.signature_secret.octets(), text)));
  }

  Keys keys_;
  std::string url_;  // of the application
};

std::string sms_signature(Fields fields, std::string_view secret) {
  std::sort(fields.begin(), fields.end());
  std::string text;
  for (const auto& [name, value] : fields) {
    if (name == "sig") continue;
    text.append("&" + name + "=");
    for (const char c : value) text += c == '&' || c == '=' ? '_' : c;
  }
  return to_hex(view(hmac_sha256(secret, text)));
}

class Sms : public Dialect {
 public:
  Sms(const ProviderSettings& settings, std::string url) : keys_(settings), url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == "/sms/json"; }
  bool is_authorized(const http::Request& request) const override {
    const auto form = http::read_form(request.body);
    if (!form || field_in(*form, "api_key") != keys_.api_key) return false;
    const std::string sig = field_in(*form, "sig");  // instead of the secret
    return sig.empty() ? is_equal_constant_time(field_in(*form, "api_secret"), keys_.api_secret.octets())
                       : is_equal_constant_time(sig, sms_signature(*form, keys_.signature_secret.octets()));
  }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    const auto form = http::read_form(request.body).value_or(Fields());
    arrival.channel = "sms";
    arrival.recipient = e164_of(field_in(form, "to"));
    arrival.sender = field_in(form, "from");
    arrival.text = field_in(form, "text");
    out.callback_url = field_in(form, "callback");
    out.handed_back = field_in(form, "client-ref");
    arrival.echo = echo_in(out.callback_url.empty() ? out.handed_back : out.callback_url);
    if (arrival.recipient.empty() || arrival.sender.empty() || arrival.text.empty())
      return {out, said("2", "Missing to, from or text param")};
    return {std::move(out)};
  }

  // 200, whatever is wrong.
  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return said("4", "Bad Credentials");
      case Refusal::unknown_recipient:
        return said("6", "Unroutable message - rejected");
      case Refusal::throttled:
        return said("1", "Throughput Rate Exceeded - please wait [ 1000 ] and retry");
      case Refusal::broken:
        return said("5", "Internal Error");
      case Refusal::opted_out:
        break;
    }
    return said("7", "Number barred.");
  }

  std::string new_reference(Random& random) const override { return "0A" + random_hex(random, 7); }

  http::Response accept(const Submission& submission, const std::string& reference, WallTime) const override {
    const Json part{{"to", submission.arrival.recipient.substr(1)},
                    {"message-id", reference},
                    {"status", "0"},
                    {"remaining-balance", "3.14159265"},
                    {"message-price", "0.03330000"},
                    {"network", "12345"}};
    return http::json(200, dump({{"message-count", "1"}, {"messages", {part}}}));
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const char* status = news.kind == ReceiptKind::sent        ? "accepted"
                         : news.kind == ReceiptKind::delivered ? "delivered"
                                                               : "failed";
    Fields fields{{"msisdn", news.submission.arrival.recipient.substr(1)},
                  {"to", news.submission.arrival.sender},
                  {"network-code", "12345"},
                  {"messageId", news.reference},
                  {"price", "0.03330000"},
                  {"status", status},
                  {"err-code", news.kind == ReceiptKind::failed ? "1" : "0"},
                  {"client-ref", news.submission.handed_back}};
    return call(news.submission.callback_url, std::move(fields), news.event_id, news.at);
  }

  std::optional<CallBack> write_back(const Answer& answer) const override {
    return call(url_,
                {{"msisdn", answer.submission.arrival.recipient.substr(1)},
                 {"to", answer.submission.arrival.sender},
                 {"messageId", answer.reference},
                 {"text", std::string(answer.text)},
                 {"type", "text"},
                 {"keyword", std::string(answer.text)}},
                answer.reference, answer.at);
  }

 private:
  std::optional<CallBack> call(const std::string& url, Fields fields, const std::string& event_id, WallTime at) const {
    if (url.empty()) return std::nullopt;
    const std::string nonce = to_hex(view(sha256(event_id + std::to_string(at.us)))).substr(0, 32);
    fields.insert(fields.end(), {{"api-key", keys_.api_key},
                                 {"message-timestamp", rfc3339(at).substr(0, 10) + ' ' + rfc3339(at).substr(11, 8)},
                                 {"timestamp", seconds_of(at)},
                                 {"nonce", nonce}});
    if (!keys_.signature_secret.is_empty())
      fields.emplace_back("sig", sms_signature(fields, keys_.signature_secret.octets()));
    return CallBack{url, form_of(fields), {{"Content-Type", "application/x-www-form-urlencoded"}}};
  }

  static http::Response said(const char* status, const char* text) {
    return http::json(200, dump({{"message-count", "1"}, {"messages", {{{"status", status}, {"error-text", text}}}}}));
  }

  Keys keys_;
  std::string url_;  // of the number
};

}  // namespace

std::unique_ptr<Dialect> vonage_dialect(const Account& account, const std::string& account_url) {
  if (setting_of(account.settings, "api", "messages") == "sms")
    return std::make_unique<Sms>(account.settings, account_url);
  return std::make_unique<Messages>(account.settings, account_url);
}

}  // namespace signet::sandbox
