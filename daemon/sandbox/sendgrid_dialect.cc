// SendGrid's mail send (sendgrid/sendgrid-oai, oai_v3) and its event webhook (docs.sendgrid.com), signed with ECDSA on
// P-256 over the time stamp and the body.
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, const char* message) {
  return http::json(status, Json{{"errors", {{{"message", message}, {"field", nullptr}, {"help", nullptr}}}}}.dump());
}

class SendGrid : public Dialect {
 public:
  SendGrid(const Account& account, std::string url)
      : key_(std::string(secret_of(account.settings, "api_key"))), signing_(*account.signing), url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == "/v3/mail/send"; }
  bool is_authorized(const http::Request& request) const override { return has_bearer(request, key_.octets()); }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "email";
    arrival.recipient = json_at(request.body, "/personalizations/0/to/0/email");
    arrival.sender = json_at(request.body, "/from/email");
    arrival.subject = json_at(request.body, "/subject");
    arrival.text = json_at(request.body, "/content/0/value");
    out.handed_back = json_at(request.body, "/personalizations/0/custom_args");
    if (out.handed_back.empty()) out.handed_back = json_at(request.body, "/custom_args");
    arrival.echo = echo_in(out.handed_back);
    if (arrival.recipient.find('@') == std::string::npos)
      return {out, refusal(400, "The to array is required for all personalization objects.")};
    if (arrival.sender.empty()) return {out, refusal(400, "The from object must be provided for every email send.")};
    if (arrival.subject.empty()) return {out, refusal(400, "The subject is required.")};
    if (arrival.text.empty()) return {out, refusal(400, "The content value must be a string at least one character.")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime at) const override {
    if (why == Refusal::unauthorized)
      return refusal(401, "The provided authorization grant is invalid, expired, or revoked");
    if (why == Refusal::unknown_recipient) return refusal(400, "Does not contain a valid address.");
    if (why == Refusal::broken) return refusal(500, "Internal server error");
    if (why == Refusal::opted_out) return std::nullopt;
    auto response = refusal(429, "too many requests");
    response.headers.emplace_back("X-RateLimit-Reset", std::to_string(at.us / 1'000'000 + 1));
    return response;
  }

  std::string new_reference(Random& random) const override {
    std::string octets(16, '\0');
    random.fill(octets.data(), octets.size());
    return to_base64url(octets);
  }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    http::Response response;
    response.status = 202;
    response.headers.emplace_back("X-Message-Id", reference);
    return response;
  }

  std::optional<CallBack> call_back(const News& news) const override {
    Json event = Json::parse(news.submission.handed_back, nullptr, false);
    if (!event.is_object()) event = Json::object();
    event["email"] = news.submission.arrival.recipient;
    event["timestamp"] = news.at.us / 1'000'000;
    event["sg_event_id"] = news.event_id;
    event["sg_message_id"] = news.reference + ".filterdrecv-sandbox-1";
    switch (news.kind) {
      case ReceiptKind::sent:
        event["event"] = "processed";
        break;
      case ReceiptKind::delivered:
        event["event"] = "delivered";
        event["response"] = "250 2.0.0 OK";
        break;
      case ReceiptKind::opted_out:
        event["event"] = "dropped";
        event["reason"] = "Unsubscribed Address";
        break;
      default:
        event["event"] = "bounce";
        event["type"] = "bounce";
        event["status"] = "5.1.1";
        event["reason"] = "550 5.1.1 No such mailbox here";
    }
    CallBack out{url_, Json::array({event}).dump(-1, ' ', false, Json::error_handler_t::replace) + "\r\n", {}};
    const std::string at = seconds_of(news.at);
    const auto signature = signing_.sign(at + out.body);
    if (!signature) return std::nullopt;
    out.headers = {{"Content-Type", "application/json"},
                   {"X-Twilio-Email-Event-Webhook-Signature", to_base64(to_der_signature(*signature))},
                   {"X-Twilio-Email-Event-Webhook-Timestamp", at}};
    return out;
  }

 private:
  Secret key_;
  SigningKey signing_;
  std::string url_;
};

}  // namespace

std::unique_ptr<Dialect> sendgrid_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<SendGrid>(account, account_url);
}

}  // namespace signet::sandbox
