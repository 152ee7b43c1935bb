// Telnyx Messaging API v2 (developers.telnyx.com/docs/messaging).
//
//   POST https://api.telnyx.com/v2/messages
//   Authorization: Bearer KEY...
//   Content-Type: application/json
//
//   {"from":"+15550001111","to":"+15558675310","text":"hi","messaging_profile_id":"...",
//    "webhook_url":"https://ex.test/webhooks/t?m=0193b3c4-....1"}
//
//   200 {"data":{"id":"40385f64-5717-4562-b3fc-2c963f66afa6","to":[{"phone_number":"+1...","status":"queued"}],
//        "parts":1,"errors":[], ...}}
//   422 {"errors":[{"code":"40300","title":"Blocked due to STOP message","detail":"...","source":{"pointer":"/to"}}]}
//
// Callback, signed: telnyx-signature-ed25519 = base64(Ed25519 of telnyx-timestamp, "|" and the raw body).
//
//   {"data":{"event_type":"message.finalized","id":"b301ed3f-...","occurred_at":"...","payload":{"id":"40385f64-...",
//    "direction":"outbound","to":[{"phone_number":"+1...","status":"delivered"}],"errors":[]}},"meta":{"attempt":1}}
//
// What people write back is event_type message.received: payload.from.phone_number, payload.text, and
// payload.autoresponse_type where Telnyx has answered a STOP, START or HELP by itself.
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.h"
#include "base/signature.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/provider.h"
#include "providers/reply_class.h"
#include "providers/retry_after.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.telnyx.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kWindowS = 300;

using namespace reply_class;

// developers.telnyx.com/docs/messaging/messages/error-codes, support.telnyx.com/en/articles/6505121. The numbers are
// Telnyx's word, the classes are our judgement; what is not here falls back to the class of the HTTP status.
constexpr CodeClass kCodes[] = {
    {10002, kNoRecipient},      // invalid phone number
    {10007, kProviderError},    // unexpected error
    {10008, kProviderError},    // the request timed out
    {10009, kAuth},             // wrong key
    {10010, kAuth},             // this key may not
    {10011, kThrottled},        // too many requests
    {10015, kMessage},          // bad request
    {10016, kNoRecipient},      // the number is not E.164
    {20002, kAuth},             // the key was revoked
    {20006, kAuth},             // the token has expired
    {20012, kAccount},          // inactive, perhaps without funds
    {20013, kAccount},          // blocked
    {20014, kAccount},          // not verified
    {20015, kAccount},          // SMS is not enabled
    {20016, kAccount},          // not verified to level 1
    {20017, kAccount},          // not verified to level 2
    {20100, kAccount},          // no funds
    {40001, kRecipient},        // cannot be routed there
    {40002, kSender},           // taken for spam, for now
    {40003, kMessage},          // taken for spam, for good
    {40004, kUnreachable},      // the destination refused, nobody knows why
    {40005, kMessage},          // expired on its way
    {40006, kUnreachable},      // the recipient's carrier is down
    {40008, kRecipient},        // undeliverable
    {40009, kMessage},          // the text is not valid
    {40010, kSender},           // in no 10DLC campaign
    {40011, kThrottled},        // faster than this sender may
    {40012, kNoRecipient},      // the carrier knows no such number
    {40013, kSender},           // the carrier refuses the sender
    {40014, kMessage},          // expired in the queue
    {40015, kMessage},          // taken for spam by Telnyx
    {40016, kSenderThrottled},  // T-Mobile's limit of a day
    {40017, kMessage},          // taken for spam by AT&T
    {40018, kSenderThrottled},  // AT&T's limit of a minute
    {40100, kSender},           // the number has no messaging
    {40150, kSender},           // a toll-free number that is not registered
    {40151, kSender},           // another provider is enabling the number
    {40300, kOptedOut},         // the recipient has written STOP
    {40301, kRecipient},        // no such kind of message there
    {40302, kMessage},          // too large
    {40305, kSender},           // no From of this profile
    {40306, kSender},           // no alphanumeric sender configured
    {40309, kAccount},          // the profile may not send to that region
    {40310, kNoRecipient},      // invalid To
    {40312, kAccount},          // the profile is disabled
    {40314, kAccount},          // messaging is disabled
    {40315, kSender},           // the number is unhealthy
    {40316, kMessage},          // no content
    {40318, kThrottled},        // the queue is full
    {40319, kRecipient},        // sender and recipient do not fit
    {40320, kSender},           // the number is still being bought
    {40321, kSender},           // no number in the pool
    {40322, kMessage},          // blocked for its content
    {40329, kSender},           // a toll-free number that is not verified
};

constexpr StatusWord kStatuses[] = {{"queued", ReceiptKind::queued},
                                    {"sending", ReceiptKind::queued},
                                    {"sent", ReceiptKind::sent},
                                    {"delivered", ReceiptKind::delivered},
                                    {"delivery_unconfirmed", ReceiptKind::sent},  // final, and no proof of anything
                                    {"sending_failed", ReceiptKind::failed},
                                    {"delivery_failed", ReceiptKind::failed},
                                    {"expired", ReceiptKind::failed}};

std::string code_at(simdjson::dom::object object, std::string_view path) {
  auto code = text_at(object, path);
  return is_reference(code) ? code : "";
}

class Telnyx : public Provider {
 public:
  struct Parts {
    std::string url, from, messaging_profile_id, api_key;
    std::optional<VerifyKey> public_key;
  };
  explicit Telnyx(Parts parts)
      : url_(std::move(parts.url)),
        from_(std::move(parts.from)),
        messaging_profile_id_(std::move(parts.messaging_profile_id)),
        authorization_("Bearer " + parts.api_key),
        public_key_(std::move(parts.public_key)) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return public_key_.has_value(); }
  CallbackWay callback_way() const override { return has_receipts() ? CallbackWay::message : CallbackWay::none; }

  HttpRequest build(const Outbound& message) const override {
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", std::string(authorization_.octets())},
                       {"Content-Type", "application/json"},
                       {"Accept", "application/json"}};
    nlohmann::ordered_json body;
    if (!from_.empty()) body["from"] = from_;
    body["to"] = message.recipient.reveal();
    body["text"] = message.body.reveal();
    if (!messaging_profile_id_.empty()) body["messaging_profile_id"] = messaging_profile_id_;
    if (has_receipts() && !message.callback_url.empty()) body["webhook_url"] = message.callback_url;
    request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto answer = json_object_of(reply.body, kReplyMax);
    if (reply.status >= 200 && reply.status < 300) {
      const auto id = answer ? text_at(*answer, "data.id") : "";
      if (!is_reference(id)) return outcome_of(kUnreadable, reply);
      const auto* status = find_status(kStatuses, text_at(*answer, "data.to.0.status"));
      const auto code = code_at(*answer, "data.errors.0.code");
      Outcome outcome = accepted_as("", reply);
      if (status && *status == ReceiptKind::failed) {  // failed at once
        const auto* row = find_code(kCodes, code);
        outcome = outcome_of(row ? *row : kMessage, reply);
        outcome.provider_code = code;
      }
      outcome.provider_reference = id;
      outcome.parts = static_cast<int>(std::clamp<int64_t>(number_at(*answer, "data.parts").value_or(1), 1, 99));
      return outcome;
    }
    const auto code = answer ? code_at(*answer, "errors.0.code") : "";
    const auto* row = find_code(kCodes, code);
    Outcome outcome = outcome_of(row ? *row : class_of_http(reply.status), reply);
    outcome.provider_code = code;
    if (outcome.is_throttled && !outcome.retry_after_ms)
      outcome.retry_after_ms = reset_after_ms(reply, "x-ratelimit-reset", ResetUnit::seconds);
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    const auto signature = only_header(request, "telnyx-signature-ed25519");
    const auto stamp = only_header(request, "telnyx-timestamp");
    if (signature.empty()) return {false, "no signature header", "", true};
    if (!public_key_) return {false, "there is no public_key to tell it by"};
    const auto octets = from_base64(signature);
    const auto text = std::string(stamp) + "|" + request.body;
    if (!octets || !public_key_->verify(text, *octets)) return {false, "bad signature"};
    if (stamp.empty() || stamp.size() > 12 || stamp.find_first_not_of("0123456789") != stamp.npos)
      return {false, "no time stamp"};
    const int64_t age_s = request.received_at.us / 1'000'000 - std::stoll(std::string(stamp));
    if (age_s > kWindowS || age_s < -kWindowS) return {false, "too old"};
    return {true, ""};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    const auto type = object ? text_at(*object, "data.event_type") : "";
    if (type.empty()) return refuse("no event_type");
    if (type != "message.sent" && type != "message.finalized") return std::vector<Receipt>();
    Receipt receipt;
    const auto* kind = find_status(kStatuses, text_at(*object, "data.payload.to.0.status"));
    receipt.provider_reference = text_at(*object, "data.payload.id");
    receipt.event_id = text_at(*object, "data.id");
    if (!is_reference(receipt.provider_reference) || !is_reference(receipt.event_id)) return refuse("no id");
    if (!kind) return refuse("a status that is not in the table");
    receipt.kind = *kind;
    receipt.provider_code = code_at(*object, "data.payload.errors.0.code");
    set_echo(receipt, echo_in(request.public_url));
    const auto* what = find_code(kCodes, receipt.provider_code);
    return receipts_of(std::move(receipt), what && what->is_opted_out);
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    const auto type = object ? text_at(*object, "data.event_type") : "";
    if (type.empty()) return refuse("no event_type");
    if (type != "message.received") return std::vector<Inbound>();
    auto from = e164_of(text_at(*object, "data.payload.from.phone_number"));
    Inbound inbound{Phi(from), text_at(*object, "data.payload.to.0.phone_number"),
                    Phi(text_at(*object, "data.payload.text", kJsonMax)), text_at(*object, "data.id")};
    inbound.is_answered = !text_at(*object, "data.payload.autoresponse_type").empty();
    if (!is_reference(inbound.event_id)) return refuse("no id");
    if (from.empty()) return std::vector<Inbound>();
    return std::vector{std::move(inbound)};
  }

 private:
  static Error refuse(std::string text) { return {ErrorCode::invalid, "telnyx callback: " + std::move(text)}; }

  std::string url_, from_, messaging_profile_id_;
  Secret authorization_;
  std::optional<VerifyKey> public_key_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  Telnyx::Parts parts;
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  parts.url = *base_url + "/v2/messages";
  parts.from = setting_of(settings, "from");
  parts.messaging_profile_id = setting_of(settings, "messaging_profile_id");
  auto api_key = header_secret_of(settings, "api_key");
  if (!api_key) return api_key.error();
  parts.api_key = *api_key;
  if (parts.from.empty() && parts.messaging_profile_id.empty())
    return setting_error(settings, "from", "is missing; write a number (+15550001111) or messaging_profile_id");
  if (const auto text = setting_of(settings, "public_key"); !text.empty()) {
    const auto octets = from_base64(text);
    auto key = VerifyKey::from_ed25519(octets ? *octets : "");
    if (!key) return setting_error(settings, "public_key", "write it as the portal shows it: base64 of 32 octets");
    parts.public_key = std::move(*key);
  }
  return std::unique_ptr<Provider>(std::make_unique<Telnyx>(std::move(parts)));
}

}  // namespace

AdapterInfo telnyx_adapter() {
  return {"telnyx",
          {{"base_url"},
           {"api_key", true, true},
           {"from"},
           {"messaging_profile_id"},
           {"public_key"},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
