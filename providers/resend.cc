// Resend (resend.com/docs/api-reference/emails/send-email, OpenAPI resend/resend-openapi).
//
//   POST https://api.resend.com/emails
//   Authorization: Bearer re_...
//   Idempotency-Key: 0193b3c4-....1.0        remembered for 24 hours; a repeat is answered as the first was
//   Content-Type: application/json
//
//   {"from":"Clinic <clinic@example.org>","to":["a@example.net"],"subject":"s","text":"x",
//    "tags":[{"name":"sid","value":"0193b3c4-..."}]}
//
// The same key with another body is refused: nothing in it may name the attempt. What becomes of the mail is told by
// its id, which a repeat is answered with, too; the tag is for who looks for a message in Resend's console.
//
//   200 {"id":"56761188-7520-42d8-8898-ff6fc54ce618"}
//   422 {"statusCode":422,"name":"missing_required_field","message":"..."}
//   429 ratelimit-reset: 1, retry-after: 1
//
// Webhooks are Standard Webhooks 1.0.0, whose headers begin with "svix-":
//
//   {"type":"email.bounced","created_at":"...","data":{"email_id":"56761188-...","to":["a@example.net"],
//    "tags":{"sid":"0193b3c4-..."},"bounce":{"type":"Permanent","subType":"General","message":"..."}}}
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/mime.h"
#include "providers/reply_class.h"
#include "providers/retry_after.h"
#include "providers/settings.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.resend.com";
constexpr std::string_view kHeaders = "svix-";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kKeyLifeMs = 24 * kHourMs;

using namespace reply_class;

// resend.com/docs/api-reference/errors. What is not here falls back to the class of the HTTP status.
constexpr struct {
  const char* name;
  ReplyClass what;
  int64_t wait_ms = 0;  // if the reply names no time
} kNames[] = {
    {"application_error", kProviderError},
    {"concurrent_idempotent_requests", kProviderError},  // the first with this key is under way
    {"daily_quota_exceeded", kThrottled, kHourMs},
    {"internal_server_error", kProviderError},
    {"invalid_api_key", kAuth},
    {"invalid_idempotency_key", kMessage},
    {"invalid_idempotent_request", kMessage},  // the same key came before with another message
    {"missing_api_key", kAuth},
    {"monthly_quota_exceeded", kThrottled, kHourMs},
    {"rate_limit_exceeded", kThrottled},
    {"restricted_api_key", kAuth},
};

constexpr StatusWord kEvents[] = {
    {"email.scheduled", ReceiptKind::queued},      {"email.sent", ReceiptKind::sent},
    {"email.delivery_delayed", ReceiptKind::sent}, {"email.delivered", ReceiptKind::delivered},
    {"email.bounced", ReceiptKind::bounced},       {"email.failed", ReceiptKind::failed},
    {"email.suppressed", ReceiptKind::failed},  // of an address that is on Resend's list: it failed, and why
    {"email.complained", ReceiptKind::complained},
};

class Resend : public Provider {
 public:
  Resend(std::string base_url, const std::string& api_key, std::string from, std::vector<Secret> keys)
      : url_(std::move(base_url) + "/emails"),
        authorization_("Bearer " + api_key),
        from_(std::move(from)),
        keys_(std::move(keys)) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return false; }
  bool has_receipts() const override { return !keys_.empty(); }
  CallbackWay callback_way() const override { return CallbackWay::account; }
  bool has_key() const override { return true; }
  int64_t key_life_ms() const override { return kKeyLifeMs; }

  HttpRequest build(const Outbound& message) const override {
    using Json = nlohmann::ordered_json;
    const Json body{{"from", from_},
                    {"to", Json::array({message.recipient.reveal()})},
                    {"subject", message.subject.reveal()},
                    {"text", message.body.reveal()},
                    {"tags", Json::array({Json{{"name", "sid"}, {"value", message.message_id.text()}}})}};
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", std::string(authorization_.octets())},
                       {"Content-Type", "application/json"},
                       {"Idempotency-Key", message.idempotency_key}};
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto object = json_object_of(reply.body, kReplyMax);
    const auto id = object ? text_at(*object, "id") : "";
    if (reply.status == 200 && is_reference(id)) return accepted_as(id, reply);
    ReplyClass what = class_of_http(reply.status);
    const auto name = object ? text_at(*object, "name") : "";
    const auto row = std::find_if(std::begin(kNames), std::end(kNames), [&](auto& r) { return name == r.name; });
    const bool is_error = reply.status >= 400 && reply.status < 600;
    if (is_error && row != std::end(kNames)) what = row->what;
    if (is_error && name == "validation_error" && text_at(*object, "message", 1024).starts_with("API key is invalid"))
      what = kAuth;  // 400 or 401 by the endpoint
    Outcome outcome = outcome_of(what, reply);
    if (is_error && is_reference(name)) outcome.provider_code = name;
    if (!outcome.is_throttled) return outcome;
    if (!outcome.retry_after_ms) outcome.retry_after_ms = reset_after_ms(reply, "ratelimit-reset", ResetUnit::seconds);
    if (!outcome.retry_after_ms && row != std::end(kNames) && row->wait_ms > 0) outcome.retry_after_ms = row->wait_ms;
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    Verdict verdict{false, "this provider sends no callbacks: it has no webhook_secret_file"};
    for (const auto& key : keys_) {
      verdict = verify_webhook(key.octets(), request, kHeaders);
      if (verdict.is_genuine) break;
    }
    return verdict;
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    simdjson::dom::object data;
    const auto type = object ? text_at(*object, "type") : "";
    if (type.empty() || (*object)["data"].get(data))
      return Error{ErrorCode::invalid, "resend callback: not an object with type and data"};
    const auto* kind = find_status(kEvents, type);
    Receipt receipt;
    receipt.provider_reference = text_at(data, "email_id");
    if (!is_reference(receipt.provider_reference)) receipt.provider_reference.clear();
    // Clicks, contacts, domains, what is new.
    if (!kind || receipt.provider_reference.empty()) return std::vector<Receipt>();
    receipt.kind = *kind;
    receipt.event_id = webhook_id(request, kHeaders);
    for (const char* path : {"bounce.subType", "failed.reason", "suppressed.type"})
      if (auto code = text_at(data, path); is_reference(code)) receipt.provider_code = code;
    if (receipt.kind == ReceiptKind::bounced && text_at(data, "bounce.type") == "Transient")
      receipt.kind = ReceiptKind::failed;  // the address may be good
    return receipts_of(std::move(receipt), type == "email.suppressed");
  }

  CallbackReply reply_to(CallbackEnd end) const override {
    return end == CallbackEnd::kept ? CallbackReply{200, {}, ""} : Provider::reply_to(end);
  }

 private:
  std::string url_;
  Secret authorization_;
  std::string from_;
  std::vector<Secret> keys_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  auto from = setting_of(settings, "from");
  if (auto mailbox = parse_mailbox(from); !mailbox) return setting_error(settings, "from", mailbox.error().text);
  auto api_key = header_secret_of(settings, "api_key");
  if (!api_key) return api_key.error();
  std::vector<Secret> keys;
  for (const auto secret : secrets_of(settings, "webhook_secret")) {
    auto key = webhook_key(secret);
    if (!key) return setting_error(settings, "webhook_secret_file", key.error().text);
    keys.emplace_back(std::move(*key));
  }
  return std::unique_ptr<Provider>(
      std::make_unique<Resend>(std::move(*base_url), *api_key, std::move(from), std::move(keys)));
}

}  // namespace

AdapterInfo resend_adapter() {
  return {
      "resend",
      {{"base_url"}, {"api_key", true, true}, {"from", true}, {"webhook_secret", false, true}, {"proxy"}, {"ca_file"}},
      make};
}

}  // namespace signet
