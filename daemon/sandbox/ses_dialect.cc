// Amazon SES v2, SendEmail (docs.aws.amazon.com/ses, API reference version 2; Signature Version 4), whose events come
// by an SNS topic: a subscription to be confirmed first, notifications signed with RSA by a key whose certificate is
// fetched from here.
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/keys.h"
#include "base/webhook_crypto.h"
#include "daemon/sandbox/dialects.h"
#include "daemon/sandbox/mail_text.h"
#include "providers/settings.h"
#include "providers/sigv4.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kPath = "/v2/email/outbound-emails";
constexpr std::string_view kCertificatePath = "/SimpleNotificationService-sandbox.pem";
constexpr std::string_view kConfirmPath = "/sns/confirm";

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

http::Response refusal(int status, const char* type, const char* message) {
  auto response = http::json(status, dump({{"message", message}}));
  response.headers.emplace_back("x-amzn-ErrorType", type);
  return response;
}

// "20261127T010203Z"
std::optional<WallTime> amazon_time(std::string_view text) {
  if (text.size() != 16) return std::nullopt;
  const std::string t(text);
  const auto at = parse_rfc3339(t.substr(0, 4) + '-' + t.substr(4, 2) + '-' + t.substr(6, 5) + ':' + t.substr(11, 2) +
                                ':' + t.substr(13));
  if (!at) return std::nullopt;
  return *at;
}

class Ses : public Dialect {
 public:
  Ses(const Account& account, std::string url)
      : credentials_{setting_of(account.settings, "access_key_id"),
                     Secret(std::string(secret_of(account.settings, "secret_access_key"))), Secret()},
        scope_{setting_of(account.settings, "region"), "ses"},
        topic_(setting_of(account.settings, "topic_arn")),
        certificate_(self_signed_certificate(account.rsa_pem, "sns.amazonaws.com").value()),
        signing_(RsaSigningKey::from_pem(account.rsa_pem).value()),
        url_(std::move(url)) {}

  bool is_mine(const http::Request& request) const override { return request.path == kPath; }

  // Signed again, of what it says that it signed, the signature is the same.
  bool is_authorized(const http::Request& request) const override {
    const std::string given(request.header("authorization").value_or(""));
    const auto at = amazon_time(request.header("x-amz-date").value_or(""));
    const size_t list = given.find("SignedHeaders=");
    if (!at || list == std::string::npos) return false;
    HttpRequest again;
    again.method = request.method;
    again.url = "http://" + std::string(request.header("host").value_or("")) + request.raw_target;
    again.body = request.body;
    std::string names = given.substr(list + 14, given.find(',', list) - list - 14);
    for (names += ';'; !names.empty(); names.erase(0, names.find(';') + 1)) {
      const std::string name = names.substr(0, names.find(';'));
      if (name != "host" && name != "x-amz-date") again.headers.emplace_back(name, request.header(name).value_or(""));
    }
    sign_v4(again, credentials_, scope_, *at);
    return is_equal_constant_time(field_in(again.headers, "Authorization"), given);
  }

  Reading read(const http::Request& request) const override {
    Submission out;
    Arrival& arrival = out.arrival;
    arrival.channel = "email";
    arrival.recipient = json_at(request.body, "/Destination/ToAddresses/0");
    arrival.sender = json_at(request.body, "/FromEmailAddress");
    if (const auto mail = from_base64(json_at(request.body, "/Content/Raw/Data"))) {
      const MailText text = read_mail(*mail);
      arrival.subject = text.subject;
      arrival.text = text.text;
      arrival.echo = echo_in(text.message_id);
    }
    if (const auto simple = json_at(request.body, "/Content/Simple/Body/Text/Data"); !simple.empty()) {
      arrival.subject = json_at(request.body, "/Content/Simple/Subject/Data");
      arrival.text = simple;
    }
    Json tags = Json::object();
    for (const auto& tag : Json::parse(json_at(request.body, "/EmailTags"), nullptr, false))
      if (tag.is_object()) tags[tag.value("Name", "")] = {tag.value("Value", "")};
    out.handed_back = dump(tags);
    if (const auto echo = echo_in(out.handed_back); !echo.empty()) arrival.echo = echo;
    if (arrival.recipient.find('@') == std::string::npos || arrival.text.empty())
      return {out, refusal(400, "BadRequestException", "Missing final '@domain'")};
    return {std::move(out)};
  }

  std::optional<http::Response> refuse(Refusal why, WallTime) const override {
    switch (why) {
      case Refusal::unauthorized:
        return refusal(403, "SignatureDoesNotMatchException",
                       "The request signature we calculated does not match the signature you provided.");
      case Refusal::unknown_recipient:
        return refusal(400, "BadRequestException", "Local address contains control or whitespace");
      case Refusal::throttled:
        return refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded.");
      case Refusal::broken:
        return refusal(500, "InternalServiceErrorException", "Internal error");
      case Refusal::opted_out:
        break;
    }
    return std::nullopt;
  }

  std::string new_reference(Random& random) const override {
    return random_hex(random, 8) + '-' + random_uuid(random) + "-000000";
  }

  http::Response accept(const Submission&, const std::string& reference, WallTime) const override {
    return http::json(200, dump({{"MessageId", reference}}));
  }

  std::optional<CallBack> call_back(const News& news) const override {
    const std::string& recipient = news.submission.arrival.recipient;
    Json event{{"eventType", "Send"},
               {"mail",
                {{"timestamp", rfc3339_ms(news.at)},
                 {"messageId", news.reference},
                 {"destination", {recipient}},
                 {"tags", Json::parse(news.submission.handed_back, nullptr, false)}}}};
    switch (news.kind) {
      case ReceiptKind::sent:
        event["send"] = Json::object();
        break;
      case ReceiptKind::delivered:
        event["eventType"] = "Delivery";
        event["delivery"] = {
            {"timestamp", rfc3339_ms(news.at)}, {"recipients", {recipient}}, {"smtpResponse", "250 Ok"}};
        break;
      case ReceiptKind::opted_out:
        event["eventType"] = "Subscription";
        event["subscription"] = {{"contactList", "sandbox"}, {"timestamp", rfc3339_ms(news.at)}};
        break;
      default:
        event["eventType"] = "Bounce";
        event["bounce"] = {
            {"bounceType", "Permanent"},
            {"bounceSubType", "General"},
            {"bouncedRecipients", {{{"emailAddress", recipient}, {"action", "failed"}, {"status", "5.1.1"}}}},
            {"timestamp", rfc3339_ms(news.at)},
            {"feedbackId", news.event_id}};
    }
    return posted(news.submission.origin, {{"Type", "Notification"},
                                           {"MessageId", uuid_of(news.event_id)},
                                           {"TopicArn", topic_},
                                           {"Message", dump(event)},
                                           {"Timestamp", rfc3339_ms(news.at)}});
  }

  std::optional<CallBack> introduce(const Submission& submission, WallTime at) const override {
    return posted(submission.origin,
                  {{"Type", "SubscriptionConfirmation"},
                   {"MessageId", uuid_of("confirmation")},
                   {"Token", to_hex(view(sha256(topic_)))},
                   {"TopicArn", topic_},
                   {"Message", "You have chosen to subscribe to the topic " + topic_},
                   {"SubscribeURL", submission.origin + std::string(kConfirmPath) + "?Action=ConfirmSubscription"},
                   {"Timestamp", rfc3339_ms(at)}});
  }

  std::optional<http::Response> serve(const http::Request& request) const override {
    if (request.path == kCertificatePath) return http::text(200, certificate_);
    if (request.path == kConfirmPath) return http::text(200, "<ConfirmSubscriptionResponse/>");
    return std::nullopt;
  }

 private:
  // The same for the same event: how SNS tells of a repeat.
  static std::string uuid_of(const std::string& text) {
    Uuid id = Uuid::from_view(view(sha256(text)).substr(0, 16));
    id.bytes[6] = static_cast<uint8_t>(0x40 | (id.bytes[6] & 0x0f));
    id.bytes[8] = static_cast<uint8_t>(0x80 | (id.bytes[8] & 0x3f));
    return id.text();
  }

  std::optional<CallBack> posted(const std::string& origin, Json message) const {
    std::string text;  // name and value of each, by name
    const nlohmann::json sorted(message);
    for (const auto& [name, value] : sorted.items())
      text.append(name).append("\n").append(value.get<std::string>()).append("\n");
    const auto signature = signing_.sign(WebhookHash::sha256, text);
    if (!signature || url_.empty()) return std::nullopt;
    message["SignatureVersion"] = "2";
    message["Signature"] = to_base64(*signature);
    message["SigningCertURL"] = origin + std::string(kCertificatePath);
    return CallBack{url_,
                    dump(message),
                    {{"Content-Type", "text/plain; charset=UTF-8"},
                     {"x-amz-sns-message-type", message["Type"].get<std::string>()},
                     {"x-amz-sns-message-id", message["MessageId"].get<std::string>()},
                     {"x-amz-sns-topic-arn", topic_}}};
  }

  AwsCredentials credentials_;
  AwsScope scope_;
  std::string topic_, certificate_;
  RsaSigningKey signing_;
  std::string url_;
};

}  // namespace

std::unique_ptr<Dialect> ses_dialect(const Account& account, const std::string& account_url) {
  return std::make_unique<Ses>(account, account_url);
}

}  // namespace signet::sandbox
