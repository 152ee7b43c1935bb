// Mailgun's messages (documentation.mailgun.com, Sending) and webhooks, whose body holds its own signature: hex
// HMAC-SHA256 over time stamp and token.
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, const std::string& message) {
  return http::json(status, Json{{"message", message}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string http_date(WallTime at) {
  const std::time_t seconds = at.us / 1'000'000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char out[64];
  const size_t size = std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  return {out, size};
}

class Mailgun : public Dialect {
 public:
  Mailgun(const ProviderSettings& settings, std::string url)
      : domain_(setting_of(settings, "domain")),
        key_(std::string(secret_of(settings, "api_key"))),
        signing_key_(std::string(secret_of(settings, "signing_key"))),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override {
    return request.path.starts_with("/v3/") && request.path.ends_with("/messages");
  }
  bool is_authorized(const http::Request& request) const override {
    return has_basic(request, "api", key_.octets()) && request.path == "/v3/" + domain_ + "/messages";
  }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    const auto fields = fields_of(request);
    if (!fields) return {out, refusal(400, "the body is no form")};
    arrival.channel = "email";
    arrival.recipient = without_brackets(field_in(*fields, "to"));
    arrival.sender = field_in(*fields, "from");
    arrival.subject = field_in(*fields, "subject");
    arrival.text = field_in(*fields, "text");
    Json variables = Json::object();
    for (const auto& [name, value] : *fields)
      if (name.starts_with("v:")) variables[name.substr(2)] = value;
    out.handed_back = variables.dump(-1, ' ', false, Json::error_handler_t::replace);
    arrival.echo = echo_in(out.handed_back);
    if (arrival.sender.empty()) return {out, refusal(400, "from parameter is missing")};
    if (arrival.recipient.find('@') == std::string::npos)
      return {out, refusal(400, "to parameter is not a valid address. please check documentation")};
    if (arrival.text.empty()) return {out, refusal(400, "Need at least one of 'text' or 'html' parameters specified")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime at) const override {
    switch (why) {
      case Refusal::unauthorized: {
        auto response = http::text(401, "Forbidden");
        response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"MG API\"");
        return response;
      }
      case Refusal::unknown_recipient:
        return refusal(400, "to parameter is not a valid address. please check documentation");
      case Refusal::throttled:
        return refusal(429, "Domain " + domain_ + " is not allowed to send: message limit exceeded, try again after " +
                                http_date({at.us + 1'000'000}));
      case Refusal::broken:
        return refusal(500, "Internal Server Error");
      case Refusal::opted_out:
        break;
    }
    return std::nullopt;
  }

  std::string new_reference(Random& random) const override {
    return '<' + random_hex(random, 12) + '@' + domain_ + '>';
  }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    return http::json(200, Json{{"id", reference}, {"message", "Queued. Thank you."}}.dump());
  }

  std::optional<CallBack> call_back(const News& news) const override {
    Json event{{"event", "failed"},
               {"id", to_base64url(view(sha256(news.event_id)).substr(0, 16))},
               {"timestamp", static_cast<double>(news.at.us) / 1e6},
               {"recipient", news.submission.arrival.recipient},
               {"message", {{"headers", {{"message-id", news.reference.substr(1, news.reference.size() - 2)}}}}},
               {"user-variables", Json::parse(news.submission.handed_back, nullptr, false)}};
    if (news.kind == ReceiptKind::sent) {
      event["event"] = "accepted";
    } else if (news.kind == ReceiptKind::delivered) {
      event["event"] = "delivered";
      event["delivery-status"] = {{"code", 250}, {"message", "OK"}};
    } else {
      const bool is_suppressed = news.kind == ReceiptKind::opted_out;
      event["severity"] = "permanent";
      event["reason"] = is_suppressed ? "suppress-unsubscribe" : "bounce";
      event["delivery-status"] = {{"code", is_suppressed ? 605 : 550},
                                  {"message", is_suppressed ? "Not delivering" : "5.1.1 No such mailbox here"}};
    }
    const std::string at = seconds_of(news.at);
    // Another each time it is called back, as theirs are.
    const std::string token = to_hex(view(sha256(news.event_id + std::to_string(news.at.us)))).substr(0, 50);
    const std::string signature = to_hex(view(hmac_sha256(signing_key_.octets(), at + token)));
    const Json body{{"signature", {{"timestamp", at}, {"token", token}, {"signature", signature}}},
                    {"event-data", std::move(event)}};
    return CallBack{
        url_, body.dump(-1, ' ', false, Json::error_handler_t::replace), {{"Content-Type", "application/json"}}};
  }

 private:
  std::string domain_;
  Secret key_, signing_key_;
  std::string url_;
};

}  // namespace

std::unique_ptr<Dialect> mailgun_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Mailgun>(account.settings, account_url);
}

}  // namespace signet::sandbox
