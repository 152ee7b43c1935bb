// Plivo's messages (plivo.com/docs/messaging) and its status callbacks, signed by version 3: HMAC-SHA256 over the URL,
// the parameters and a nonce.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, const char* error) {
  return http::json(status, Json{{"api_id", "5a8c7e2e-0000-4000-8000-000000000000"}, {"error", error}}.dump());
}

// URL, '?', its query sorted, and the parameters sorted, name and value run together.
std::string signed_text(const std::string& url, Fields parameters) {
  const size_t mark = url.find('?');
  std::string out = url.substr(0, mark) + '?';
  if (mark != std::string::npos) {
    auto query = http::read_form(url.substr(mark + 1)).value_or(Fields());
    std::sort(query.begin(), query.end());
    for (const auto& [name, value] : query) out.append(out.back() == '?' ? "" : "&").append(name + '=' + value);
    out += '.';
  }
  std::sort(parameters.begin(), parameters.end());
  for (const auto& [name, value] : parameters) out.append(name).append(value);
  return out;
}

class Plivo : public Dialect {
 public:
  Plivo(const ProviderSettings& settings, std::string url)
      : id_(setting_of(settings, "auth_id")),
        token_(std::string(secret_of(settings, "auth_token"))),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path.starts_with("/v1/Account/"); }
  bool is_authorized(const http::Request& request) const override {
    return has_basic(request, id_, token_.octets()) && request.path == "/v1/Account/" + id_ + "/Message/";
  }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "sms";
    const std::string to = json_at(request.body, "/dst");
    arrival.recipient = to.empty() || to.starts_with('+') ? to : '+' + to;
    arrival.sender = json_at(request.body, "/src");
    if (arrival.sender.empty()) arrival.sender = json_at(request.body, "/powerpack_uuid");
    arrival.text = json_at(request.body, "/text");
    out.callback_url = json_at(request.body, "/url");
    arrival.echo = echo_in(out.callback_url);
    if (arrival.sender.empty()) return {out, refusal(400, "src parameter is missing")};
    if (arrival.recipient.empty()) return {out, refusal(400, "dst parameter is missing")};
    if (arrival.text.empty()) return {out, refusal(400, "text parameter is missing")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return refusal(401, "not authorized");
      case Refusal::unknown_recipient:
        return refusal(400, "dst is not a valid phone number");
      case Refusal::throttled:
        return refusal(429, "too many requests");
      case Refusal::broken:
        return refusal(500, "internal server error");
      case Refusal::opted_out:
        break;
    }
    return std::nullopt;
  }

  std::string new_reference(Random& random) const override { return random_uuid(random); }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    return http::json(202, Json{{"message", "message(s) queued"},
                                {"message_uuid", {reference}},
                                {"api_id", "5a8c7e2e-0000-4000-8000-000000000000"}}
                               .dump());
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const bool is_failure = news.kind == ReceiptKind::failed || news.kind == ReceiptKind::opted_out;
    const char* word = is_failure ? "undelivered" : news.kind == ReceiptKind::sent ? "sent" : "delivered";
    Fields parameters{{"MessageUUID", news.reference},
                      {"ParentMessageUUID", news.reference},
                      {"To", news.submission.arrival.recipient.substr(1)},
                      {"From", news.submission.arrival.sender},
                      {"Type", "sms"},
                      {"Status", word},
                      {"Sequence", news.kind == ReceiptKind::sent ? "1" : "2"},
                      {"Units", "1"}};
    if (is_failure) parameters.emplace_back("ErrorCode", news.kind == ReceiptKind::opted_out ? "200" : "50");
    return call(news.submission.callback_url, std::move(parameters), news.event_id, news.at);
  }

  std::optional<CallBack> write_back(const Answer& answer) const override {
    const Arrival& arrival = answer.submission.arrival;
    return call(url_,
                {{"From", arrival.recipient.substr(1)},
                 {"To", arrival.sender},
                 {"Text", std::string(answer.text)},
                 {"Type", "sms"},
                 {"Units", "1"},
                 {"MessageUUID", answer.reference}},
                answer.reference, answer.at);
  }

 private:
  std::optional<CallBack> call(const std::string& url, Fields parameters, const std::string& event_id,
                               WallTime at) const {
    if (url.empty()) return std::nullopt;
    const std::string nonce = to_hex(view(sha256(event_id + std::to_string(at.us)))).substr(0, 20);
    CallBack out{url, form_of(parameters), {}};
    const std::string text = signed_text(url, std::move(parameters)) + '.' + nonce;
    out.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                   {"X-Plivo-Signature-V3", to_base64(view(hmac_sha256(token_.octets(), text)))},
                   {"X-Plivo-Signature-V3-Nonce", nonce}};
    return out;
  }

  std::string id_;
  Secret token_;
  std::string url_;  // of the number's application
};

}  // namespace

std::unique_ptr<Dialect> plivo_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Plivo>(account.settings, account_url);
}

}  // namespace signet::sandbox
