#include "daemon/sandbox/twilio_sandbox.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kRoot = "/2010-04-01/";
constexpr size_t kBodyMax = 1600;  // characters
constexpr int kThrottledTimes = 2;

std::string value_of(const std::vector<std::pair<std::string, std::string>>& form, std::string_view name) {
  for (const auto& [key, value] : form)
    if (key == name) return value;
  return "";
}

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

struct Status {
  const char* word;
  const char* error_code = "";
};

std::vector<Status> statuses_of(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::fail_later:
      return {{"sent"}, {"undelivered", "30005"}};
    case Behaviour::reset:
      return {{"delivered"}};
    case Behaviour::twice:
      return {{"sent"}, {"sent"}, {"delivered"}, {"delivered"}};
    case Behaviour::out_of_order:
      return {{"delivered"}, {"sent"}};
    case Behaviour::silent:
      return {};
    default:
      return {{"sent"}, {"delivered"}};
  }
}

}  // namespace

std::string twilio_signature(std::string_view auth_token, std::string_view url,
                             std::vector<std::pair<std::string, std::string>> parameters) {
  std::sort(parameters.begin(), parameters.end());
  std::string text(url);
  for (const auto& [name, value] : parameters) text.append(name).append(value);
  return to_base64(hmac_sha1(auth_token, text));
}

// The statuses of one message: each is called back when the one before was taken or given up.
struct TwilioSandbox::Chain {
  std::shared_ptr<Arrival> arrival;
  std::string url_text;
  CallbackUrl url;
  std::vector<Status> statuses;
  size_t next = 0;
};

TwilioSandbox::TwilioSandbox(const Clock& clock, Random& random, Log& log, Journal& journal, CallbackClient& callbacks,
                             TwilioOptions options)
    : clock_(clock),
      random_(random),
      log_(log),
      journal_(journal),
      callbacks_(callbacks),
      options_(std::move(options)),
      authorization_(to_base64(options_.account_sid + ":" + std::string(options_.auth_token.octets()))) {}

bool TwilioSandbox::is_mine(const http::Request& request) const { return request.path.starts_with(kRoot); }

bool TwilioSandbox::is_authorized(const http::Request& request) const {
  const auto given = request.header("authorization");
  constexpr std::string_view kBasic = "Basic ";
  return given && given->starts_with(kBasic) && is_equal_constant_time(given->substr(kBasic.size()), authorization_);
}

http::Response TwilioSandbox::handle(const http::Request& request) {
  if (!is_authorized(request)) {
    auto response = refusal(401, 20003, "Authenticate");
    response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"Twilio API\"");
    return response;
  }
  if (request.path != std::string(kRoot) + "Accounts/" + options_.account_sid + "/Messages.json")
    return refusal(404, 20404, "The requested resource was not found");
  if (request.method != "POST") return refusal(405, 20004, "Method not allowed");
  const auto form = http::read_form(request.body);
  if (!form) return refusal(400, 20001, "The body is no UTF-8 form");
  return create(*form);
}

http::Response TwilioSandbox::create(const Form& form) {
  Arrival arrival;
  arrival.channel = "sms";
  arrival.recipient = value_of(form, "To");
  arrival.sender = value_of(form, "From");
  if (arrival.sender.empty()) arrival.sender = value_of(form, "MessagingServiceSid");
  arrival.text = value_of(form, "Body");
  const std::string callback = value_of(form, "StatusCallback");
  arrival.echo = echo_in(callback);
  const auto refuse = [&](int status, int code, const std::string& message, const char* verdict = "refused") {
    arrival.verdict = verdict;
    arrival.answer = std::to_string(status);
    journal_.record(std::move(arrival));
    return refusal(status, code, message);
  };
  if (arrival.recipient.empty()) return refuse(400, 21604, "A 'To' phone number is required.");
  if (arrival.sender.empty()) return refuse(400, 21603, "A 'From' phone number is required.");
  if (arrival.text.empty()) return refuse(400, 21602, "Message body is required.");
  bool is_ascii = true;
  if (units_of(arrival.text, is_ascii) > kBodyMax)
    return refuse(400, 21617, "The concatenated message body exceeds the 1600 character limit");
  if (!callback.empty() && !parse_callback_url(callback))
    return refuse(400, 21609, "The StatusCallback URL is not a valid URL");
  if (!is_e164(arrival.recipient)) return refuse(400, 21211, "The 'To' number is not a valid phone number.");

  const Behaviour behaviour = behaviour_of(arrival.recipient);
  switch (behaviour) {
    case Behaviour::fail_at_once:
      return refuse(400, 21211, "The 'To' number is not a valid phone number.");
    case Behaviour::opted_out:
      return refuse(400, 21610, "Attempt to send to unsubscribed recipient");
    case Behaviour::throttle: {
      if (++seen_[arrival.recipient] > kThrottledTimes) break;
      auto response = refuse(429, 20429, "Too Many Requests", "throttled");
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
    case Behaviour::fail_first:
      if (++seen_[arrival.recipient] > 1) break;
      return refuse(500, 20500, "An internal server error has occurred");
    case Behaviour::hang: {
      arrival.verdict = "hung";
      arrival.answer = "none";
      journal_.record(std::move(arrival));
      http::Response hang;
      hang.delivery = http::Response::Delivery::hang;
      return hang;
    }
    default:
      break;
  }
  uint8_t id[16];
  random_.fill(id, sizeof id);
  arrival.reference = "SM" + to_hex({reinterpret_cast<const char*>(id), sizeof id});
  arrival.verdict = "accepted";
  arrival.answer = behaviour == Behaviour::reset ? "reset" : "201";
  const auto recorded = journal_.record(std::move(arrival));
  call_back(form, recorded, behaviour);
  auto response = created(form, *recorded);
  if (behaviour == Behaviour::reset) response.delivery = http::Response::Delivery::reset;
  return response;
}

http::Response TwilioSandbox::created(const Form& form, const Arrival& arrival) const {
  const std::string uri = std::string(kRoot) + "Accounts/" + options_.account_sid + "/Messages/" + arrival.reference;
  const std::string service = value_of(form, "MessagingServiceSid");
  const std::string now = rfc2822(arrival.at);
  const Json body{{"account_sid", options_.account_sid},
                  {"api_version", "2010-04-01"},
                  {"body", arrival.text},
                  {"date_created", now},
                  {"date_sent", nullptr},
                  {"date_updated", now},
                  {"direction", "outbound-api"},
                  {"error_code", nullptr},
                  {"error_message", nullptr},
                  {"from", service.empty() ? Json(arrival.sender) : Json(nullptr)},
                  {"messaging_service_sid", service.empty() ? Json(nullptr) : Json(service)},
                  {"num_media", "0"},
                  {"num_segments", std::to_string(segments_of(arrival.text))},
                  {"price", nullptr},
                  {"price_unit", "USD"},
                  {"sid", arrival.reference},
                  {"status", service.empty() ? "queued" : "accepted"},
                  {"subresource_uris", {{"media", uri + "/Media.json"}}},
                  {"to", arrival.recipient},
                  {"uri", uri + ".json"}};
  return answer(201, body);
}

void TwilioSandbox::call_back(const Form& form, const std::shared_ptr<Arrival>& arrival, Behaviour behaviour) {
  auto chain = std::make_shared<Chain>();
  chain->arrival = arrival;
  chain->url_text = value_of(form, "StatusCallback");
  if (chain->url_text.empty()) return;
  chain->url = parse_callback_url(chain->url_text).value();
  chain->statuses = statuses_of(behaviour);
  const bool is_late = behaviour == Behaviour::late || behaviour == Behaviour::reset;
  next_status(std::move(chain), is_late ? options_.late_ms : options_.callback_ms);
}

void TwilioSandbox::next_status(std::shared_ptr<Chain> chain, int64_t delay_ms) {
  if (chain->next == chain->statuses.size()) return;
  const Status status = chain->statuses[chain->next++];
  const Arrival& arrival = *chain->arrival;
  Form parameters{{"AccountSid", options_.account_sid}, {"ApiVersion", "2010-04-01"},   {"From", arrival.sender},
                  {"MessageSid", arrival.reference},    {"MessageStatus", status.word}, {"SmsSid", arrival.reference},
                  {"SmsStatus", status.word},           {"To", arrival.recipient}};
  if (*status.error_code != '\0') parameters.emplace_back("ErrorCode", status.error_code);
  std::string form;
  for (const auto& [name, value] : parameters) {
    if (!form.empty()) form += '&';
    append_form(form, name);
    form += '=';
    append_form(form, value);
  }
  const std::string signature = twilio_signature(options_.auth_token.octets(), chain->url_text, std::move(parameters));
  const CallbackClient::Headers headers{{"User-Agent", "TwilioProxy/1.1"},
                                        {"Content-Type", "application/x-www-form-urlencoded"},
                                        {"X-Twilio-Signature", signature}};
  callbacks_.post(chain->url, headers, form, delay_ms, [this, chain, status](bool is_taken) {
    chain->arrival->statuses.push_back(std::string(status.word) + (is_taken ? "" : " (not taken)"));
    if (!is_taken) log_.warn("a status callback was given up", {{"reference", chain->arrival->reference}});
    next_status(chain, options_.callback_ms);
  });
}

}  // namespace signet::sandbox
