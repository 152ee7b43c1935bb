// Amazon SES v2 (docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html, boto/botocore sesv2). Signed with
// Signature Version 4, service "ses".
//
//   POST https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails
//   X-Amz-Date: 20261122T120000Z
//   Authorization: AWS4-HMAC-SHA256 Credential=AKIA.../20261122/eu-west-1/ses/aws4_request, SignedHeaders=...,
//     Signature=...
//   Content-Type: application/json
//
//   {"FromEmailAddress":"clinic@example.org","Destination":{"ToAddresses":["a@example.net"]},
//    "Content":{"Raw":{"Data":"<the mail in base64>"}},"EmailTags":[{"Name":"sid","Value":"0193b3c4-..._1"}],
//    "ConfigurationSetName":"clinic"}
//
//   200 {"MessageId":"0102018d-..."}
//   429 x-amzn-errortype: TooManyRequestsException       {"message":"Daily message quota exceeded."}
//
// Events come by a topic of SNS (providers/sns.h), which the configuration set names; Message is JSON in a string:
//
//   {"eventType":"Bounce","mail":{"messageId":"0102018d-...","tags":{"sid":["0193b3c4-..._1"]}},
//    "bounce":{"bounceType":"Permanent","bounceSubType":"General",
//     "bouncedRecipients":[{"emailAddress":"a@example.net","status":"5.1.1"}]}}
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "providers/callback_form.h"
#include "providers/echo_tag.h"
#include "providers/json_object.h"
#include "providers/mime.h"
#include "providers/reply_class.h"
#include "providers/retry_after.h"
#include "providers/settings.h"
#include "providers/sigv4.h"
#include "providers/sns.h"

namespace signet {
namespace {

constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kQuotaWaitMs = 3'600'000;  // a day's quota is of a rolling day: it frees itself by the hour

using namespace reply_class;

// The errors of SendEmail and those common to all of AWS. What is not here falls back to the class of the HTTP status.
constexpr struct {
  const char* code;
  ReplyClass what;
} kCodes[] = {
    {"AccessDeniedException", kAuth},
    {"AccountSuspendedException", kAccount},
    {"BadRequestException", kMessage},
    {"ExpiredTokenException", kAuth},
    {"IncompleteSignature", kAuth},
    {"InternalFailure", kProviderError},
    {"InternalServiceErrorException", kProviderError},
    {"InvalidClientTokenId", kAuth},
    {"InvalidSignatureException", kAuth},
    {"LimitExceededException", kThrottled},
    {"MailFromDomainNotVerifiedException", kSender},
    {"MessageRejected", kMessage},
    {"MissingAuthenticationToken", kAuth},
    {"NotAuthorized", kAuth},
    {"NotFoundException", kAccount},  // no such configuration set
    {"OptInRequired", kAccount},
    {"RequestAbortedException", kProviderError},  // before a reply was sent back
    {"RequestExpired", kAuth},                    // this machine's clock is off
    {"SendingPausedException", kAccount},
    {"ServiceUnavailable", kProviderError},
    {"SignatureDoesNotMatch", kAuth},
    {"Throttling", kThrottled},
    {"ThrottlingException", kThrottled},
    {"TooManyRequestsException", kThrottled},
    {"UnrecognizedClientException", kAuth},
};

constexpr StatusWord kEvents[] = {
    {"Send", ReceiptKind::queued},
    {"DeliveryDelay", ReceiptKind::sent},
    {"Delivery", ReceiptKind::delivered},
    {"Bounce", ReceiptKind::bounced},
    {"Complaint", ReceiptKind::complained},
    {"Reject", ReceiptKind::failed},
    {"Rendering Failure", ReceiptKind::failed},
    {"Subscription", ReceiptKind::opted_out},
};

// "MessageRejected" of "com.amazonaws...#MessageRejected:http://...", in the header or in the body, as AWS's SDKs read
// it (boto/botocore parsers.py, RestJSONParser; aws-amplify/amplify-js serde/json).
std::string code_of(const HttpReply& reply, const std::optional<simdjson::dom::object>& object) {
  std::string code(header_of(reply, "x-amzn-errortype"));
  for (const char* member : {"code", "__type"})
    if (code.empty() && object) code = text_at(*object, member);
  code = code.substr(0, code.find(':'));
  code = code.substr(code.find('#') + 1);
  return is_reference(code) ? code : "";
}

class Ses : public Provider {
 public:
  struct Parts {
    std::string url;
    AwsCredentials credentials;
    AwsScope scope;
    Mailbox from;
    std::string configuration_set;
    std::vector<std::string> topics;
    std::string sns_url;
    bool has_letter_pdf = false;
  };
  explicit Ses(Parts parts)
      : parts_(std::move(parts)),
        domain_(parts_.from.address.substr(parts_.from.address.rfind('@') + 1)),
        subscriber_(parts_.topics, parts_.sns_url) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return !parts_.topics.empty(); }
  CallbackWay callback_way() const override { return CallbackWay::subscription; }
  bool wants_pdf(Kind kind) const override { return kind == Kind::letter && parts_.has_letter_pdf; }

  HttpRequest build(const Outbound& message) const override {
    using Json = nlohmann::ordered_json;
    // What cannot be rendered goes as an empty mail, which SES refuses: BadRequestException.
    const auto mail =
        render_mail({parts_.from, message.recipient.reveal(), message.subject.reveal(), message.body.reveal(),
                     message.message_id.text() + "@" + domain_, message.at, "", message.pdf.reveal()});
    Json body{{"FromEmailAddress", parts_.from.address},
              {"Destination", Json{{"ToAddresses", Json::array({message.recipient.reveal()})}}},
              {"Content", Json{{"Raw", Json{{"Data", mail ? to_base64(*mail) : ""}}}}},
              {"EmailTags", Json::array({Json{{"Name", "sid"}, {"Value", tag_of(message.echo())}}})}};
    if (!parts_.configuration_set.empty()) body["ConfigurationSetName"] = parts_.configuration_set;
    HttpRequest request;
    request.url = parts_.url;
    request.headers = {{"Content-Type", "application/json"}};
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    sign_v4(request, parts_.credentials, parts_.scope, message.at);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto object = json_object_of(reply.body, kReplyMax);
    const auto id = object ? text_at(*object, "MessageId") : "";
    if (reply.status == 200 && is_reference(id)) return accepted_as(id, reply);
    const bool is_error = reply.status >= 400 && reply.status < 600;
    const auto code = is_error ? code_of(reply, object) : "";
    ReplyClass what = reply.status == 404 ? kAccount : class_of_http(reply.status);
    for (const auto& row : kCodes)
      if (code == row.code) what = row.what;
    Outcome outcome = outcome_of(what, reply);
    outcome.provider_code = code;
    const bool is_of_day =
        object && (text_at(*object, "message", 1024) + text_at(*object, "Message", 1024)).find("quota exceeded") !=
                      std::string::npos;
    if (outcome.is_throttled && is_of_day && !outcome.retry_after_ms) outcome.retry_after_ms = kQuotaWaitMs;
    return outcome;
  }

  std::vector<std::string> wants(const CallbackRequest& request) const override { return subscriber_.wants(request); }
  Verdict verify(const CallbackRequest& request) const override {
    if (!has_receipts()) return {false, "this provider sends no callbacks: it has no topic_arn"};
    return subscriber_.verify(request);
  }
  std::optional<HttpRequest> follow_up(const CallbackRequest& request) const override {
    return subscriber_.confirmation(request);
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto notice = read_sns(request.body);
    if (!notice) return Error{ErrorCode::invalid, "ses callback: not a message of SNS"};
    if (notice->type != "Notification") return std::vector<Receipt>();
    // SES itself says in plain words that it has found the topic.
    const auto event = json_object_of(notice->message);
    if (!event) return std::vector<Receipt>();
    auto type = text_at(*event, "eventType");
    if (type.empty()) type = text_at(*event, "notificationType");
    if (type.empty()) return Error{ErrorCode::invalid, "ses callback: an event without eventType"};
    const auto* kind = find_status(kEvents, type);
    Receipt receipt;
    receipt.provider_reference = text_at(*event, "mail.messageId");
    if (!is_reference(receipt.provider_reference)) receipt.provider_reference.clear();
    set_echo(receipt, parse_tag(text_at(*event, "mail.tags.sid.0")));
    // Clicks, reading, what is new, and mails that we did not send.
    if (!kind || (!receipt.message_id && receipt.provider_reference.empty())) return std::vector<Receipt>();
    receipt.kind = *kind;
    receipt.event_id = is_reference(notice->message_id) ? notice->message_id : "";
    if (receipt.event_id.empty()) return Error{ErrorCode::invalid, "ses callback: a message of SNS without MessageId"};
    if (receipt.kind == ReceiptKind::bounced) {
      for (const char* path : {"bounce.bounceSubType", "bounce.bouncedRecipients.0.status"})
        if (auto code = text_at(*event, path); is_reference(code)) receipt.provider_code = code;
      // The address may be good.
      if (text_at(*event, "bounce.bounceType") == "Transient") receipt.kind = ReceiptKind::failed;
    }
    bool is_opted_out = false;
    if (receipt.kind == ReceiptKind::complained) {
      const auto type = text_at(*event, "complaint.complaintFeedbackType");
      if (type == "not-spam" || type == "auth-failure") return std::vector<Receipt>();  // of nobody who complains
      if (is_reference(type)) receipt.provider_code = type;
      if (const auto subtype = text_at(*event, "complaint.complaintSubType"); subtype == "OnAccountSuppressionList") {
        receipt.kind = ReceiptKind::failed;  // he complained before: SES did not try
        receipt.provider_code = subtype;
        is_opted_out = true;
      }
    }
    return receipts_of(std::move(receipt), is_opted_out);
  }

 private:
  Parts parts_;
  std::string domain_;
  SnsSubscriber subscriber_;
};

bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  Ses::Parts parts;
  parts.scope = {setting_of(settings, "region"), "ses"};
  if (!is_region(parts.scope.region)) return setting_error(settings, "region", "write one like eu-west-1");
  auto base_url = base_url_of(settings, "https://email." + parts.scope.region + ".amazonaws.com");
  if (!base_url) return base_url.error();
  parts.url = *base_url + "/v2/email/outbound-emails";
  parts.credentials.access_key_id = setting_of(settings, "access_key_id");
  if (!is_reference(parts.credentials.access_key_id))
    return setting_error(settings, "access_key_id", "letters and digits only, as in AWS's console: AKIA...");
  for (auto [key, into] : {std::pair{"secret_access_key", &parts.credentials.secret_access_key},
                           std::pair{"session_token", &parts.credentials.session_token}}) {
    auto secret = header_secret_of(settings, key);
    if (!secret) return secret.error();
    *into = Secret(std::move(*secret));
  }
  auto from = parse_mailbox(setting_of(settings, "from"));
  if (!from) return setting_error(settings, "from", from.error().text);
  parts.from = std::move(*from);
  parts.configuration_set = setting_of(settings, "configuration_set");
  parts.topics = words_of(setting_of(settings, "topic_arn"));
  for (const auto& topic : parts.topics)
    if (!topic.starts_with("arn:aws"))
      return setting_error(settings, "topic_arn", "write it as SNS shows it: arn:aws:...");
  if (const auto sns_url = setting_of(settings, "sns_url"); !sns_url.empty()) {
    auto checked = checked_url(settings, "sns_url", sns_url);
    if (!checked) return checked.error();
    parts.sns_url = std::move(*checked);
  }
  const auto pdf = setting_of(settings, "letter_pdf", "false");
  if (pdf != "true" && pdf != "false") return setting_error(settings, "letter_pdf", "write true or false");
  parts.has_letter_pdf = pdf == "true";
  return std::unique_ptr<Provider>(std::make_unique<Ses>(std::move(parts)));
}

}  // namespace

AdapterInfo ses_adapter() {
  return {"ses",
          {{"base_url"},
           {"region", true},
           {"access_key_id", true},
           {"secret_access_key", true, true},
           {"session_token", false, true},
           {"from", true},
           {"configuration_set"},
           {"topic_arn"},
           {"sns_url"},  // of a test server that plays SNS
           {"letter_pdf"},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
