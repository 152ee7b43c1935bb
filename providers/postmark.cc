// Postmark (postmarkapp.com/developer/api/email-api, .../webhooks).
//
//   POST https://api.postmarkapp.com/email
//   X-Postmark-Server-Token: 0193b3c4-...
//   Accept: application/json
//   Content-Type: application/json
//
//   {"From":"Clinic <clinic@example.org>","To":"a@example.net","Subject":"s","TextBody":"x",
//    "Metadata":{"sid":"0193b3c4-....1"},"MessageStream":"outbound"}
//
//   200 {"To":"a@example.net","SubmittedAt":"...","MessageID":"0a129aee-...","ErrorCode":0,"Message":"OK"}
//   422 {"ErrorCode":406,"Message":"You tried to send to a recipient that has been marked as inactive. ..."}
//
// Webhooks are not signed: they come with Basic credentials that their URL has in Postmark's console
// (https://user:password@signet.example/webhooks/...), or from addresses that Postmark publishes, or both.
//
//   {"RecordType":"Bounce","ID":42,"Type":"HardBounce","TypeCode":1,"MessageID":"0a129aee-...",
//    "Email":"a@example.net","BouncedAt":"...","Inactive":true,"Metadata":{"sid":"0193b3c4-....1"}}
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/mime.h"
#include "providers/reply_class.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.postmarkapp.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kNoCode = -1;  // no ErrorCode, or none that is a number

using namespace reply_class;

// postmarkapp.com/developer/api/overview, "API error codes". What is not here falls back to the class of the HTTP
// status.
constexpr CodeClass kCodes[] = {
    {10, kAuth},            // bad or missing server token
    {100, kProviderError},  // maintenance
    {300, kMessage},        // invalid mail request
    {400, kSender},         // no such sender signature
    {401, kSender},         // the sender signature is not confirmed
    {402, kMessage},        // invalid JSON
    {403, kMessage},        // incompatible JSON
    {405, kAccount},        // no credits
    {406, kOptedOut},       // inactive recipient: a hard bounce, a complaint or an unsubscription before
    {409, kMessage},        // JSON required
    {410, kMessage},        // too many messages in a batch
    {411, kMessage},        // forbidden attachment
    {412, kAccount},        // the account is pending
    {413, kAccount},        // the account may not send
    {429, kThrottled},      // rate limit
};

// postmarkapp.com/developer/api/bounce-api, "Bounce types". Of one that is not here nothing is proven.
constexpr StatusWord kBounces[] = {
    {"HardBounce", ReceiptKind::bounced},
    {"BadEmailAddress", ReceiptKind::bounced},
    {"SoftBounce", ReceiptKind::failed},  // the address may be good
    {"Transient", ReceiptKind::sent},     // Postmark tries on
    {"DnsError", ReceiptKind::sent},
    {"Blocked", ReceiptKind::failed},
    {"DMARCPolicy", ReceiptKind::failed},
    {"SMTPApiError", ReceiptKind::failed},
    {"VirusNotification", ReceiptKind::failed},
    {"SpamComplaint", ReceiptKind::complained},
    {"ManuallyDeactivated", ReceiptKind::opted_out},
    {"Unsubscribe", ReceiptKind::opted_out},
};

class Postmark : public Provider {
 public:
  struct Parts {
    std::string base_url, server_token, from, message_stream;
    std::string webhook_user;
    std::vector<std::string_view> webhook_passwords;
    std::vector<std::string> webhook_addresses;
  };
  explicit Postmark(Parts parts)
      : url_(std::move(parts.base_url) + "/email"),
        token_(std::move(parts.server_token)),
        from_(std::move(parts.from)),
        message_stream_(std::move(parts.message_stream)),
        addresses_(std::move(parts.webhook_addresses)) {
    for (const auto password : parts.webhook_passwords)
      credentials_.emplace_back(to_base64(parts.webhook_user + ":" + std::string(password)));
  }

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return !credentials_.empty() || !addresses_.empty(); }
  CallbackWay callback_way() const override { return CallbackWay::account; }

  HttpRequest build(const Outbound& message) const override {
    using Json = nlohmann::ordered_json;
    Json body{{"From", from_},
              {"To", message.recipient.reveal()},
              {"Subject", message.subject.reveal()},
              {"TextBody", message.body.reveal()},
              {"Metadata", Json{{"sid", message.echo()}}}};
    if (!message_stream_.empty()) body["MessageStream"] = message_stream_;
    HttpRequest request;
    request.url = url_;
    request.headers = {{"X-Postmark-Server-Token", std::string(token_.octets())},
                       {"Accept", "application/json"},
                       {"Content-Type", "application/json"}};
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto object = json_object_of(reply.body, kReplyMax);
    const int64_t code = object ? number_at(*object, "ErrorCode").value_or(kNoCode) : kNoCode;
    const auto id = object ? text_at(*object, "MessageID") : "";
    if (reply.status == 200 && code == 0 && is_reference(id)) return accepted_as(id, reply);
    ReplyClass what = class_of_http(reply.status);
    // Of the network before Postmark: postmarkapp.com/support, "Getting a 403 that doesn't look like a Postmark error".
    if (reply.status == 403 && code == kNoCode) what = kProviderError;
    const bool is_answer = reply.status == 200 || (reply.status >= 400 && reply.status < 600);
    if (is_answer)
      if (const auto* known = find_code(kCodes, std::to_string(code))) what = *known;
    Outcome outcome = outcome_of(what, reply);
    if (is_answer && code > 0 && code < 100000) outcome.provider_code = std::to_string(code);
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    if (!has_receipts())
      return {false, "this provider sends no callbacks: it has neither webhook_password_file nor webhook_addresses"};
    const auto& from = request.peer_address;
    if (!addresses_.empty() && std::find(addresses_.begin(), addresses_.end(), from) == addresses_.end())
      return {false, "an address that is not in webhook_addresses"};
    if (credentials_.empty()) return {true, ""};
    auto given = only_header(request, "authorization");
    if (given.empty()) return {false, "no credentials", "", true};
    constexpr std::string_view kBasic = "basic ";
    if (lower_case(given.substr(0, kBasic.size())) != kBasic) return {false, "credentials that are not Basic"};
    given.remove_prefix(kBasic.size());
    bool is_known = false;
    for (const auto& one : credentials_) is_known = is_equal_constant_time(one.octets(), given) || is_known;
    return is_known ? Verdict{true, ""} : Verdict{false, "wrong credentials"};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    const auto record = object ? text_at(*object, "RecordType") : "";
    if (record.empty()) return Error{ErrorCode::invalid, "postmark callback: not an object with RecordType"};
    Receipt receipt;
    receipt.provider_reference = text_at(*object, "MessageID");
    if (!is_reference(receipt.provider_reference)) receipt.provider_reference.clear();
    set_echo(receipt, parse_echo(text_at(*object, "Metadata.sid")));
    // Clicks, reading, mail that came in, suppressions by hand, what is new, and mails that we did not send.
    if (!judge(record, *object, receipt) || (!receipt.message_id && receipt.provider_reference.empty()))
      return std::vector<Receipt>();
    receipt.event_id = event_id_of(record, *object, receipt.provider_reference);
    if (receipt.event_id.empty()) receipt.event_id = to_hex(view(sha256(request.body)));
    return std::vector{receipt};
  }

  // 403 ends Postmark's tries; after anything else but 200 it comes again, also when only our list is wrong.
  CallbackReply reply_to(CallbackEnd end) const override {
    switch (end) {
      case CallbackEnd::kept:
        return {200, {}, ""};
      case CallbackEnd::unreadable:
        return {403, {}, ""};
      case CallbackEnd::unsigned_:
      case CallbackEnd::forged:
        break;
    }
    return {401, {{"WWW-Authenticate", "Basic realm=\"signet\", charset=\"UTF-8\""}}, ""};
  }

 private:
  // Of one message Postmark tells once that it arrived, and more often the rest. Empty: it names not which one it is.
  static std::string event_id_of(const std::string& record, simdjson::dom::object object,
                                 const std::string& reference) {
    if (reference.empty()) return "";
    if (record == "Delivery") return reference + ":" + record;
    for (const char* mark : {"ID", "ChangedAt"})
      if (auto text = text_at(object, mark, 40); is_reference(text)) return reference + ":" + record + ":" + text;
    return "";
  }

  static bool judge(std::string_view record, simdjson::dom::object object, Receipt& receipt) {
    bool is_suppressed = false;
    if (record == "Delivery") {
      receipt.kind = ReceiptKind::delivered;
    } else if (record == "SpamComplaint") {
      receipt.kind = ReceiptKind::complained;
    } else if (record == "SubscriptionChange") {
      if (object["SuppressSending"].get(is_suppressed) || !is_suppressed) return false;
      receipt.kind = ReceiptKind::opted_out;
      if (auto code = text_at(object, "SuppressionReason"); is_reference(code)) receipt.provider_code = code;
    } else if (record == "Bounce") {
      const auto type = text_at(object, "Type");
      const auto* kind = find_status(kBounces, type);
      receipt.kind = kind ? *kind : ReceiptKind::sent;
      if (is_reference(type)) receipt.provider_code = type;
    } else {
      return false;
    }
    return true;
  }

  std::string url_;
  Secret token_;
  std::string from_, message_stream_;
  std::vector<std::string> addresses_;
  std::vector<Secret> credentials_;  // "user:password" in base64
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  Postmark::Parts parts;
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  parts.base_url = std::move(*base_url);
  parts.from = setting_of(settings, "from");
  if (auto mailbox = parse_mailbox(parts.from); !mailbox) return setting_error(settings, "from", mailbox.error().text);
  auto token = header_secret_of(settings, "server_token");
  if (!token) return token.error();
  parts.server_token = std::move(*token);
  parts.message_stream = setting_of(settings, "message_stream");
  parts.webhook_user = setting_of(settings, "webhook_user", "postmark");
  if (parts.webhook_user.find(':') != std::string::npos)
    return setting_error(settings, "webhook_user", "a user's name has no colon (RFC 7617 section 2)");
  parts.webhook_passwords = secrets_of(settings, "webhook_password");
  parts.webhook_addresses = words_of(setting_of(settings, "webhook_addresses"));
  return std::unique_ptr<Provider>(std::make_unique<Postmark>(std::move(parts)));
}

}  // namespace

AdapterInfo postmark_adapter() {
  return {"postmark",
          {{"base_url"},
           {"server_token", true, true},
           {"from", true},
           {"message_stream"},
           {"webhook_user"},
           {"webhook_password", false, true},
           {"webhook_addresses"},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
