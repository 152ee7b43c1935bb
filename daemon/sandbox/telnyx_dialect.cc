// Telnyx's messages (developers.telnyx.com, Send a message) and its webhooks, signed with Ed25519 over time stamp, '|'
// and body.
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, const char* code, const char* title) {
  return http::json(status, Json{{"errors", {{{"code", code}, {"title", title}, {"detail", title}}}}}.dump());
}

class Telnyx : public Dialect {
 public:
  Telnyx(const Account& account, std::string url)
      : key_(std::string(secret_of(account.settings, "api_key"))), signing_(*account.signing), url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == "/v2/messages"; }
  bool is_authorized(const http::Request& request) const override { return has_bearer(request, key_.octets()); }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "sms";
    arrival.recipient = json_at(request.body, "/to");
    arrival.sender = json_at(request.body, "/from");
    if (arrival.sender.empty()) arrival.sender = json_at(request.body, "/messaging_profile_id");
    arrival.text = json_at(request.body, "/text");
    out.callback_url = json_at(request.body, "/webhook_url");
    arrival.echo = echo_in(out.callback_url);
    if (arrival.sender.empty()) return {out, refusal(422, "40305", "Invalid 'from' address")};
    if (!arrival.recipient.starts_with('+'))
      return {out, refusal(400, "10016", "Phone number must be in +E.164 format")};
    if (arrival.text.empty()) return {out, refusal(422, "10015", "Bad Request")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return refusal(401, "10009", "Authentication failed");
      case Refusal::unknown_recipient:
        return refusal(400, "40001", "Not routable");
      case Refusal::opted_out:
        return refusal(400, "40300", "Blocked due to STOP message");
      case Refusal::throttled: {
        auto response = refusal(429, "10011", "Too many requests");
        response.headers.emplace_back("x-ratelimit-limit", "1");
        response.headers.emplace_back("x-ratelimit-remaining", "0");
        response.headers.emplace_back("x-ratelimit-reset", "1");
        return response;
      }
      case Refusal::broken:
        break;
    }
    return refusal(500, "10007", "Unexpected error");
  }

  std::string new_reference(Random& random) const override { return random_uuid(random); }

  http::Response accept(const Submission& submission, const std::string& reference, WallTime at) const override {
    Json body{{"data", payload(submission.arrival, reference, "queued")}};
    body["data"]["received_at"] = rfc3339_ms(at);
    return http::json(200, body.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const char* status = news.kind == ReceiptKind::sent        ? "sent"
                         : news.kind == ReceiptKind::delivered ? "delivered"
                                                               : "delivery_failed";
    Json told = payload(news.submission.arrival, news.reference, status);
    if (news.kind == ReceiptKind::failed)
      told["errors"] = {{{"code", "40008"}, {"title", "Undeliverable"}, {"detail", "The carrier did not accept it."}}};
    return call(news.submission.callback_url, news.kind == ReceiptKind::sent ? "message.sent" : "message.finalized",
                news.event_id, std::move(told), news.at);
  }

  std::optional<CallBack> write_back(const Answer& answer) const override {
    const Arrival& arrival = answer.submission.arrival;
    Json written{{"record_type", "message"},
                 {"direction", "inbound"},
                 {"id", answer.reference},
                 {"type", "SMS"},
                 {"from", {{"phone_number", arrival.recipient}}},
                 {"to", {{{"phone_number", arrival.sender}, {"status", "webhook_delivered"}}}},
                 {"text", answer.text}};
    return call(url_, "message.received", answer.reference, std::move(written), answer.at);
  }

 private:
  std::optional<CallBack> call(const std::string& url, const char* type, const std::string& event_id, Json told,
                               WallTime at) const {
    const Json body{{"data",
                     {{"event_type", type},
                      {"id", event_id},
                      {"occurred_at", rfc3339_ms(at)},
                      {"payload", std::move(told)},
                      {"record_type", "event"}}},
                    {"meta", {{"attempt", 1}, {"delivered_to", url}}}};
    CallBack out{url, body.dump(-1, ' ', false, Json::error_handler_t::replace), {}};
    const std::string seconds = seconds_of(at);
    const auto signature = signing_.sign(seconds + '|' + out.body);
    if (!signature || url.empty()) return std::nullopt;
    out.headers = {{"Content-Type", "application/json"},
                   {"telnyx-signature-ed25519", to_base64(*signature)},
                   {"telnyx-timestamp", seconds}};
    return out;
  }

  static Json payload(const Arrival& arrival, const std::string& reference, const char* status) {
    return {{"record_type", "message"},
            {"direction", "outbound"},
            {"id", reference},
            {"type", "SMS"},
            {"from", {{"phone_number", arrival.sender}}},
            {"to", {{{"phone_number", arrival.recipient}, {"status", status}}}},
            {"text", arrival.text},
            {"parts", 1},
            {"errors", Json::array()}};
  }

  Secret key_;
  SigningKey signing_;
  std::string url_;  // of the messaging profile
};

}  // namespace

std::unique_ptr<Dialect> telnyx_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Telnyx>(account, account_url);
}

}  // namespace signet::sandbox
