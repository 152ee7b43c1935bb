// Postmark's email (postmarkapp.com/developer) and its webhooks, which carry no signature but the Basic credentials of
// the URL that the account was given.
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/sandbox/dialects.h"
#include "providers/settings.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, int code, const char* message) {
  return http::json(status, Json{{"ErrorCode", code}, {"Message", message}}.dump());
}

class Postmark : public Dialect {
 public:
  Postmark(const ProviderSettings& settings, std::string url)
      : token_(std::string(secret_of(settings, "server_token"))),
        authorization_("Basic " + to_base64(setting_of(settings, "webhook_user") + ':' +
                                            std::string(secret_of(settings, "webhook_password")))),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == "/email"; }
  bool is_authorized(const http::Request& request) const override {
    const auto given = request.header("x-postmark-server-token");
    return given && is_equal_constant_time(*given, token_.octets());
  }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "email";
    arrival.recipient = without_brackets(json_at(request.body, "/To"));
    arrival.sender = json_at(request.body, "/From");
    arrival.subject = json_at(request.body, "/Subject");
    arrival.text = json_at(request.body, "/TextBody");
    out.handed_back = json_at(request.body, "/Metadata");
    arrival.echo = echo_in(out.handed_back);
    if (arrival.recipient.find('@') == std::string::npos)
      return {out, refusal(422, 300, "Invalid 'To' address: it has no domain.")};
    if (arrival.sender.empty()) return {out, refusal(422, 300, "Invalid 'From' address.")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return refusal(401, 10, "No Account or Server API tokens were supplied in the HTTP headers.");
      case Refusal::unknown_recipient:
        return refusal(422, 300, "Error parsing 'To': Illegal email address.");
      case Refusal::opted_out:
        return refusal(422, 406, "You tried to send to recipient(s) that have been marked as inactive.");
      case Refusal::throttled:
        return refusal(429, 429, "Rate limit exceeded.");
      case Refusal::broken:
        break;
    }
    return refusal(503, 100, "The Postmark API is offline for maintenance.");
  }

  std::string new_reference(Random& random) const override { return random_uuid(random); }

  http::Response accept(const Submission& submission, const std::string& reference, WallTime at) const override {
    const Json body{{"To", submission.arrival.recipient},
                    {"SubmittedAt", rfc3339(at)},
                    {"MessageID", reference},
                    {"ErrorCode", 0},
                    {"Message", "OK"}};
    return http::json(200, body.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const std::string& recipient = news.submission.arrival.recipient;
    Json body{{"MessageID", news.reference}, {"Metadata", Json::parse(news.submission.handed_back, nullptr, false)}};
    if (news.kind == ReceiptKind::delivered) {
      body.update({{"RecordType", "Delivery"},
                   {"Recipient", recipient},
                   {"DeliveredAt", rfc3339(news.at)},
                   {"Details", "250 OK"},
                   {"MessageStream", "outbound"}});
    } else if (news.kind == ReceiptKind::bounced) {
      body.update({{"RecordType", "Bounce"},
                   {"ID", std::hash<std::string>()(news.event_id) >> 16},
                   {"Type", "HardBounce"},
                   {"TypeCode", 1},
                   {"Name", "Hard bounce"},
                   {"Email", recipient},
                   {"BouncedAt", rfc3339(news.at)},
                   {"Inactive", true},
                   {"MessageStream", "outbound"}});
    } else {
      return std::nullopt;
    }
    return CallBack{url_,
                    body.dump(-1, ' ', false, Json::error_handler_t::replace),
                    {{"Content-Type", "application/json"}, {"Authorization", authorization_}}};
  }

 private:
  Secret token_;
  std::string authorization_, url_;
};

}  // namespace

std::unique_ptr<Dialect> postmark_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Postmark>(account.settings, account_url);
}

}  // namespace signet::sandbox
