// Resend's emails (resend/resend-openapi) with idempotency keys, and its webhooks: Standard Webhooks under Svix's
// header names.
#include <nlohmann/json.hpp>

#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"
#include "providers/standard_webhook.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, const char* name, const char* message) {
  return http::json(status, Json{{"statusCode", status}, {"name", name}, {"message", message}}.dump());
}

class Resend : public Dialect {
 public:
  Resend(const ProviderSettings& settings, std::string url)
      : key_(std::string(secret_of(settings, "api_key"))),
        webhook_key_(webhook_key(secret_of(settings, "webhook_secret")).value()),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == "/emails"; }
  bool is_authorized(const http::Request& request) const override { return has_bearer(request, key_.octets()); }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "email";
    arrival.recipient = without_brackets(json_at(request.body, "/to/0"));
    arrival.sender = json_at(request.body, "/from");
    arrival.subject = json_at(request.body, "/subject");
    arrival.text = json_at(request.body, "/text");
    out.key = request.header("idempotency-key").value_or("");
    Json tags = Json::object();
    for (const auto& tag : Json::parse(json_at(request.body, "/tags"), nullptr, false))
      if (tag.is_object()) tags[tag.value("name", "")] = tag.value("value", "");
    out.handed_back = tags.dump(-1, ' ', false, Json::error_handler_t::replace);
    arrival.echo = echo_in(request.body);
    if (arrival.recipient.find('@') == std::string::npos)
      return {out, refusal(422, "validation_error", "Invalid `to` field.")};
    if (arrival.sender.empty()) return {out, refusal(422, "missing_required_field", "Missing `from` field.")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return refusal(403, "invalid_api_key", "API key is invalid.");
      case Refusal::unknown_recipient:
        return refusal(422, "validation_error", "Invalid `to` field.");
      case Refusal::broken:
        return refusal(500, "internal_server_error", "An unexpected error occurred.");
      case Refusal::throttled: {
        auto response = refusal(429, "rate_limit_exceeded", "Too many requests.");
        response.headers.emplace_back("retry-after", "1");
        response.headers.emplace_back("ratelimit-reset", "1");
        return response;
      }
      case Refusal::opted_out:
        break;
    }
    return std::nullopt;
  }

  std::string new_reference(Random& random) const override { return random_uuid(random); }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    return http::json(200, Json{{"id", reference}}.dump());
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const char* type = news.kind == ReceiptKind::sent        ? "email.sent"
                       : news.kind == ReceiptKind::delivered ? "email.delivered"
                       : news.kind == ReceiptKind::opted_out ? "email.suppressed"
                                                             : "email.bounced";
    const Arrival& arrival = news.submission.arrival;
    Json data{{"email_id", news.reference},
              {"message_id", '<' + news.reference + "@sandbox.resend.example>"},
              {"created_at", rfc3339_ms(news.at)},
              {"from", arrival.sender},
              {"to", {arrival.recipient}},
              {"subject", arrival.subject},
              {"tags", Json::parse(news.submission.handed_back, nullptr, false)}};
    if (news.kind == ReceiptKind::bounced)
      data["bounce"] = {{"type", "Permanent"}, {"subType", "General"}, {"message", "No such mailbox here"}};
    if (news.kind == ReceiptKind::opted_out)
      data["suppressed"] = {{"type", "OnAccountSuppressionList"},
                            {"message", "The address is on the suppression list"}};
    const Json body{{"type", type}, {"created_at", rfc3339_ms(news.at)}, {"data", std::move(data)}};
    CallBack out{
        url_, body.dump(-1, ' ', false, Json::error_handler_t::replace), {{"Content-Type", "application/json"}}};
    for (const auto& [name, value] : webhook_headers(webhook_key_, "msg_" + news.event_id, news.at, out.body))
      out.headers.emplace_back("svix-" + name.substr(name.find('-') + 1), value);
    return out;
  }

 private:
  Secret key_;
  std::string webhook_key_, url_;
};

}  // namespace

std::unique_ptr<Dialect> resend_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Resend>(account.settings, account_url);
}

}  // namespace signet::sandbox
