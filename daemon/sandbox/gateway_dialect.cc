// A gateway of one's own: the dialect that providers/generic_http.cc speaks without a template, at /gateway/messages.
#include <nlohmann/json.hpp>

#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"
#include "providers/standard_webhook.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kPath = "/gateway/messages";

http::Response refusal(int status, const char* code) { return http::json(status, Json{{"code", code}}.dump()); }

class Gateway : public Dialect {
 public:
  Gateway(const ProviderSettings& settings, std::string url)
      : token_(std::string(secret_of(settings, "token"))),
        webhook_key_(webhook_key(secret_of(settings, "webhook_secret")).value()),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == kPath; }
  bool is_authorized(const http::Request& request) const override { return has_bearer(request, token_.octets()); }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = json_at(request.body, "/kind") == "sms" ? "sms" : "email";
    arrival.recipient = json_at(request.body, "/to");
    arrival.subject = json_at(request.body, "/subject");
    arrival.text = json_at(request.body, "/text");
    arrival.echo = json_at(request.body, "/id");
    out.callback_url = json_at(request.body, "/callbackUrl");
    out.key = request.header("idempotency-key").value_or("");
    if (request.method != "POST") return {out, refusal(405, "method_not_allowed")};
    if (arrival.recipient.empty() || arrival.text.empty()) return {out, refusal(422, "incomplete")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return refusal(401, "unauthorized");
      case Refusal::unknown_recipient:
        return refusal(422, "unknown_recipient");
      case Refusal::opted_out:
        return refusal(422, "opted_out");
      case Refusal::throttled: {
        auto response = refusal(429, "throttled");
        response.headers.emplace_back("Retry-After", "1");
        return response;
      }
      case Refusal::broken:
        break;
    }
    return refusal(503, "unavailable");
  }

  std::string new_reference(Random& random) const override { return "gw-" + random_hex(random, 12); }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    return http::json(202, Json{{"id", reference}}.dump());
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const Json body{{"type", "message." + std::string(name(news.kind))},
                    {"data", {{"id", news.reference}, {"code", news.kind == ReceiptKind::failed ? "absent" : ""}}}};
    return call(news.submission.callback_url.empty() ? url_ : news.submission.callback_url, body, news.event_id,
                news.at);
  }

  std::optional<CallBack> write_back(const Answer& answer) const override {
    const Json body{{"type", "message.received"},
                    {"data",
                     {{"id", answer.reference},
                      {"from", answer.submission.arrival.recipient},
                      {"to", answer.submission.arrival.sender},
                      {"text", answer.text}}}};
    return call(url_, body, answer.reference, answer.at);
  }

  std::optional<std::string> asked_about(const http::Request& request) const override {
    if (request.method != "GET") return std::nullopt;
    return std::string(request.query("id").value_or(""));
  }
  http::Response answer_about(const std::string& reference) const override {
    if (reference.empty()) return http::json(404, Json{{"status", "unknown"}}.dump());
    return http::json(200, Json{{"status", "accepted"}, {"id", reference}}.dump());
  }

 private:
  CallBack call(const std::string& url, const Json& body, const std::string& event_id, WallTime at) const {
    CallBack out{url, body.dump(), {{"Content-Type", "application/json"}}};
    for (auto& header : webhook_headers(webhook_key_, event_id, at, out.body)) out.headers.push_back(std::move(header));
    return out;
  }

  Secret token_;
  std::string webhook_key_, url_;
};

}  // namespace

std::unique_ptr<Dialect> gateway_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Gateway>(account.settings, account_url);
}

}  // namespace signet::sandbox
