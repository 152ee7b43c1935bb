// Twilio's Messages resource (twilio.com/docs/messaging/api/message-resource) and its status callbacks, signed as in
// twilio.com/docs/usage/security.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "daemon/sandbox/callback_client.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kRoot = "/2010-04-01/";
constexpr size_t kBodyMax = 1600;  // characters

http::Response answer(int status, const Json& body) {
  return http::json(status, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

http::Response refusal(int status, int code, const std::string& message) {
  const Json body{{"code", code},
                  {"message", message},
                  {"more_info", "https://www.twilio.com/docs/errors/" + std::to_string(code)},
                  {"status", status}};
  return answer(status, body);
}

bool is_e164(std::string_view number) {
  return number.size() >= 8 && number.size() <= 16 && number[0] == '+' && number[1] != '0' &&
         number.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

// 160 characters of the GSM alphabet (taken as ASCII here) or 70 UTF-16 units; less where parts carry their number.
size_t units_of(std::string_view text, bool& is_ascii) {
  size_t units = 0;
  is_ascii = true;
  for (const unsigned char c : text) {
    is_ascii = is_ascii && c < 0x80;
    if ((c & 0xc0) != 0x80) units += c >= 0xf0 ? 2 : 1;
  }
  return units;
}

size_t segments_of(std::string_view text) {
  bool is_ascii = true;
  const size_t units = units_of(text, is_ascii);
  if (units <= (is_ascii ? 160u : 70u)) return 1;
  const size_t part = is_ascii ? 153 : 67;
  return (units + part - 1) / part;
}

std::string rfc2822(WallTime at) {
  const std::time_t seconds = at.us / 1000000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char out[64];
  const size_t size = std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S +0000", &tm);
  return {out, size};
}

class Twilio : public Dialect {
 public:
  Twilio(const ProviderSettings& settings, std::string url)
      : sid_(setting_of(settings, "account_sid")),
        token_(std::string(secret_of(settings, "auth_token"))),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path.starts_with(kRoot); }
  bool is_authorized(const http::Request& request) const override { return has_basic(request, sid_, token_.octets()); }

  Reading read(const http::Request& request) const override {
    Submission out;
    if (request.path != std::string(kRoot) + "Accounts/" + sid_ + "/Messages.json")
      return {out, refusal(404, 20404, "The requested resource was not found")};
    if (request.method != "POST") return {out, refusal(405, 20004, "Method not allowed")};
    const auto form = http::read_form(request.body);
    if (!form) return {out, refusal(400, 20001, "The body is no UTF-8 form")};
    Arrival& arrival = out.arrival;
    arrival.channel = "sms";
    arrival.recipient = field_in(*form, "To");
    const std::string service = field_in(*form, "MessagingServiceSid");
    arrival.sender = service.empty() ? field_in(*form, "From") : service;
    arrival.text = field_in(*form, "Body");
    out.callback_url = field_in(*form, "StatusCallback");
    arrival.echo = echo_in(out.callback_url);
    const auto refuse = [&](int code, const std::string& message) { return Reading{out, refusal(400, code, message)}; };
    if (arrival.recipient.empty()) return refuse(21604, "A 'To' phone number is required.");
    if (arrival.sender.empty()) return refuse(21603, "A 'From' phone number is required.");
    if (arrival.text.empty()) return refuse(21602, "Message body is required.");
    bool is_ascii = true;
    if (units_of(arrival.text, is_ascii) > kBodyMax)
      return refuse(21617, "The concatenated message body exceeds the 1600 character limit");
    if (!out.callback_url.empty() && !parse_callback_url(out.callback_url))
      return refuse(21609, "The StatusCallback URL is not a valid URL");
    if (!is_e164(arrival.recipient)) return refuse(21211, "The 'To' number is not a valid phone number.");
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized: {
        auto response = refusal(401, 20003, "Authenticate");
        response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"Twilio API\"");
        return response;
      }
      case Refusal::unknown_recipient:
        return refusal(400, 21211, "The 'To' number is not a valid phone number.");
      case Refusal::opted_out:
        return refusal(400, 21610, "Attempt to send to unsubscribed recipient");
      case Refusal::throttled: {
        auto response = refusal(429, 20429, "Too Many Requests");
        response.headers.emplace_back("Retry-After", "1");
        return response;
      }
      case Refusal::broken:
        break;
    }
    return refusal(500, 20500, "An internal server error has occurred");
  }

  std::string new_reference(Random& random) const override { return "SM" + random_hex(random, 16); }

  http::Response accept(const Submission& submission, const std::string& reference, WallTime at) const override {
    const std::string uri = std::string(kRoot) + "Accounts/" + sid_ + "/Messages/" + reference;
    const Arrival& arrival = submission.arrival;
    const bool is_service = arrival.sender.starts_with("MG");
    const std::string now = rfc2822(at);
    const Json body{{"account_sid", sid_},
                    {"api_version", "2010-04-01"},
                    {"body", arrival.text},
                    {"date_created", now},
                    {"date_sent", nullptr},
                    {"date_updated", now},
                    {"direction", "outbound-api"},
                    {"error_code", nullptr},
                    {"error_message", nullptr},
                    {"from", is_service ? Json(nullptr) : Json(arrival.sender)},
                    {"messaging_service_sid", is_service ? Json(arrival.sender) : Json(nullptr)},
                    {"num_media", "0"},
                    {"num_segments", std::to_string(segments_of(arrival.text))},
                    {"price", nullptr},
                    {"price_unit", "USD"},
                    {"sid", reference},
                    {"status", is_service ? "accepted" : "queued"},
                    {"subresource_uris", {{"media", uri + "/Media.json"}}},
                    {"to", arrival.recipient},
                    {"uri", uri + ".json"}};
    return answer(201, body);
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const char* word = news.kind == ReceiptKind::sent        ? "sent"
                       : news.kind == ReceiptKind::delivered ? "delivered"
                                                             : "undelivered";
    const Arrival& arrival = news.submission.arrival;
    Fields parameters{
        {"AccountSid", sid_},    {"ApiVersion", "2010-04-01"}, {"From", arrival.sender}, {"MessageSid", news.reference},
        {"MessageStatus", word}, {"SmsSid", news.reference},   {"SmsStatus", word},      {"To", arrival.recipient}};
    if (news.kind == ReceiptKind::failed) parameters.emplace_back("ErrorCode", "30005");
    return call(news.submission.callback_url, std::move(parameters));
  }

  // twilio.com/docs/messaging/guides/webhook-request
  std::optional<CallBack> write_back(const Answer& answer) const override {
    const Arrival& arrival = answer.submission.arrival;
    Fields parameters{
        {"AccountSid", sid_},        {"ApiVersion", "2010-04-01"},        {"Body", std::string(answer.text)},
        {"From", arrival.recipient}, {"MessageSid", answer.reference},    {"NumMedia", "0"},
        {"NumSegments", "1"},        {"SmsMessageSid", answer.reference}, {"SmsSid", answer.reference},
        {"SmsStatus", "received"}};
    const bool is_service = arrival.sender.starts_with("MG");
    parameters.emplace_back(is_service ? "MessagingServiceSid" : "To", arrival.sender);
    return call(url_, std::move(parameters));
  }

 private:
  std::optional<CallBack> call(const std::string& url, Fields parameters) const {
    if (url.empty()) return std::nullopt;
    CallBack out{url, form_of(parameters), {}};
    out.headers = {{"User-Agent", "TwilioProxy/1.1"},
                   {"Content-Type", "application/x-www-form-urlencoded"},
                   {"X-Twilio-Signature", twilio_signature(token_.octets(), url, std::move(parameters))}};
    return out;
  }

  std::string sid_;
  Secret token_;
  std::string url_;  // of the account
};

}  // namespace

std::string twilio_signature(std::string_view auth_token, std::string_view url, Fields parameters) {
  std::sort(parameters.begin(), parameters.end());
  std::string text(url);
  for (const auto& [name, value] : parameters) text.append(name).append(value);
  return to_base64(hmac_sha1(auth_token, text));
}

std::unique_ptr<Dialect> twilio_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Twilio>(account.settings, account_url);
}

}  // namespace signet::sandbox
