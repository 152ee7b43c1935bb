// SendGrid v3 (docs.sendgrid.com/api-reference/mail-send, OpenAPI sendgrid/sendgrid-oai).
//
//   POST https://api.sendgrid.com/v3/mail/send
//   Authorization: Bearer SG....
//   Content-Type: application/json
//
//   {"personalizations":[{"to":[{"email":"a@example.net"}],"custom_args":{"sid":"0193b3c4-....1"}}],
//    "from":{"email":"clinic@example.org","name":"Clinic"},"subject":"s","content":[{"type":"text/plain","value":"x"}]}
//
//   202, no body, X-Message-Id: LRzXl_NHStOGhQ4kofSm_A          200 is the sandbox mode's: checked and thrown away
//   400 {"errors":[{"message":"...","field":"from","help":null}]}
//   429 X-RateLimit-Reset: 1600112502
//
// Event webhook, a batch, signed: X-Twilio-Email-Event-Webhook-Signature = base64(ECDSA P-256, SHA-256, in DER, over
// the header ...-Timestamp and the raw body). custom_args come back as members; sg_message_id begins with X-Message-Id.
//
//   [{"email":"a@example.net","timestamp":1600112492,"event":"bounce","type":"bounce","status":"5.1.1","reason":"...",
//     "sg_event_id":"Ym91bmNl...","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-...","sid":"0193b3c4-....1"}]
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/signature.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/mime.h"
#include "providers/reply_class.h"
#include "providers/retry_after.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.sendgrid.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kReceiptWaitMs = 72 * int64_t{3'600'000};  // as long as SendGrid tries a deferred mail

using namespace reply_class;

// SendGrid has no codes: what is here is the class of the HTTP status, whose meaning is in the text alone.
constexpr struct {
  int status;
  const char* text;  // part of a message, in lower case
  ReplyClass what;
} kTexts[] = {
    {401, "credits exceeded", kAccount},
    {403, "credits exceeded", kAccount},
    {403, "sender identity", kSender},  // "The from address does not match a verified Sender Identity"
};

constexpr StatusWord kEvents[] = {
    {"processed", ReceiptKind::queued},      {"deferred", ReceiptKind::sent},
    {"delivered", ReceiptKind::delivered},   {"bounce", ReceiptKind::bounced},
    {"dropped", ReceiptKind::failed},        {"spamreport", ReceiptKind::complained},
    {"unsubscribe", ReceiptKind::opted_out}, {"group_unsubscribe", ReceiptKind::opted_out},
};

// Why SendGrid dropped a mail without trying.
constexpr struct {
  const char* reason;
  const char* code;
  bool is_opted_out;
} kDrops[] = {
    {"Unsubscribed Address", "unsubscribed_address", true},
    {"Spam Reporting Address", "spam_reporting_address", true},
    {"Bounced Address", "bounced_address", false},
    {"Invalid", "invalid", false},
    {"Invalid SMTPAPI header", "invalid_smtpapi_header", false},
    {"Spam Content", "spam_content", false},
    {"Recipient List over Package Quota", "over_package_quota", false},
};

// Base64url, padded (docs.sendgrid.com/for-developers/tracking-events/troubleshooting).
bool is_event_id(std::string_view text) { return is_reference(text.substr(0, text.find_last_not_of('=') + 1)); }

ReplyClass class_of(const HttpReply& reply) {
  if (const auto object = json_object_of(reply.body, kReplyMax)) {
    const auto text = lower_case(text_at(*object, "errors.0.message", 1024));
    for (const auto& row : kTexts)
      if (row.status == reply.status && text.find(row.text) != text.npos) return row.what;
  }
  return class_of_http(reply.status);
}

class SendGrid : public Provider {
 public:
  SendGrid(std::string base_url, const std::string& api_key, Mailbox from, std::vector<VerifyKey> keys)
      : url_(std::move(base_url) + "/v3/mail/send"),
        authorization_("Bearer " + api_key),
        from_(std::move(from)),
        keys_(std::move(keys)) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return !keys_.empty(); }
  int64_t receipt_wait_ms() const override { return kReceiptWaitMs; }
  CallbackWay callback_way() const override { return CallbackWay::account; }

  HttpRequest build(const Outbound& message) const override {
    using Json = nlohmann::ordered_json;
    Json from{{"email", from_.address}};
    if (!from_.name.empty()) from["name"] = from_.name;
    Json to{{"to", Json::array({Json{{"email", message.recipient.reveal()}}})},
            {"custom_args", Json{{"sid", message.echo()}}}};
    const Json body{{"personalizations", Json::array({std::move(to)})},
                    {"from", std::move(from)},
                    {"subject", message.subject.reveal()},
                    {"content", Json::array({Json{{"type", "text/plain"}, {"value", message.body.reveal()}}})}};
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", std::string(authorization_.octets())}, {"Content-Type", "application/json"}};
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const std::string id(header_of(reply, "x-message-id"));
    if (reply.status == 202 && reply.body.empty() && is_reference(id)) return accepted_as(id, reply);
    Outcome outcome = outcome_of(class_of(reply), reply);
    if (outcome.is_throttled && !outcome.retry_after_ms)
      outcome.retry_after_ms = reset_after_ms(reply, "x-ratelimit-reset", ResetUnit::epoch);
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    if (!has_receipts()) return {false, "this provider sends no callbacks: it has no webhook_key"};
    const auto text = only_header(request, "x-twilio-email-event-webhook-signature");
    const auto timestamp = only_header(request, "x-twilio-email-event-webhook-timestamp");
    if (text.empty()) return {false, "no signature header", "", true};
    if (timestamp.empty()) return {false, "no timestamp header"};
    const auto der = from_base64(text);
    const auto signature = der ? from_der_signature(*der) : std::nullopt;
    if (!signature) return {false, "bad signature"};
    const auto content = std::string(timestamp) + request.body;
    const bool is_signed =
        std::any_of(keys_.begin(), keys_.end(), [&](const VerifyKey& key) { return key.verify(content, *signature); });
    return is_signed ? Verdict{true, ""} : Verdict{false, "bad signature"};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const Error unreadable{ErrorCode::invalid, "sendgrid callback: the body is not an array of events"};
    const auto document = json_of(request.body);
    simdjson::dom::array events;
    if (!document || document->get(events)) return unreadable;
    std::vector<Receipt> out;
    for (const auto event : events) {
      simdjson::dom::object object;
      if (event.get(object)) return unreadable;
      append_receipts(object, out);
    }
    return out;
  }

 private:
  // None for clicks, reading, what is new, and mails that we did not send.
  static void append_receipts(simdjson::dom::object event, std::vector<Receipt>& to) {
    const auto word = text_at(event, "event");
    const auto* kind = find_status(kEvents, word);
    const auto id = text_at(event, "sg_message_id");
    Receipt receipt;
    receipt.provider_reference = id.substr(0, id.find('.'));
    if (!is_reference(receipt.provider_reference)) receipt.provider_reference.clear();
    set_echo(receipt, parse_echo(text_at(event, "sid")));
    if (!kind || (!receipt.message_id && receipt.provider_reference.empty())) return;
    receipt.kind = *kind;
    receipt.part = simdjson::minify(event);
    receipt.event_id = text_at(event, "sg_event_id");
    if (!is_event_id(receipt.event_id)) receipt.event_id = to_hex(view(sha256(receipt.part)));
    if (auto status = text_at(event, "status"); is_reference(status)) receipt.provider_code = status;
    const auto type = text_at(event, "type");
    // Neither says that the address is bad.
    if (receipt.kind == ReceiptKind::bounced && (type == "blocked" || type == "expired"))
      receipt.kind = ReceiptKind::failed;
    bool is_opted_out = false;
    if (word == "dropped") {
      const auto reason = text_at(event, "reason");
      const auto drop = std::find_if(std::begin(kDrops), std::end(kDrops), [&](auto& d) { return reason == d.reason; });
      receipt.provider_code = drop == std::end(kDrops) ? "dropped" : drop->code;
      is_opted_out = drop != std::end(kDrops) && drop->is_opted_out;
    }
    for (auto& one : receipts_of(std::move(receipt), is_opted_out)) to.push_back(std::move(one));
  }

  std::string url_;
  Secret authorization_;
  Mailbox from_;
  std::vector<VerifyKey> keys_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  auto from = parse_mailbox(setting_of(settings, "from"));
  if (!from) return setting_error(settings, "from", from.error().text);
  auto api_key = header_secret_of(settings, "api_key");
  if (!api_key) return api_key.error();
  std::vector<VerifyKey> keys;
  for (const auto& text : words_of(setting_of(settings, "webhook_key"))) {
    const auto der = from_base64(text);
    auto key = der ? VerifyKey::from_spki(*der) : Result<VerifyKey>(der.error());
    if (!key || key->algorithm() != SignatureAlgorithm::p256)
      return setting_error(settings, "webhook_key",
                           "write the Verification Key that SendGrid's console shows: MFkw...");
    keys.push_back(std::move(*key));
  }
  return std::unique_ptr<Provider>(
      std::make_unique<SendGrid>(std::move(*base_url), *api_key, std::move(*from), std::move(keys)));
}

}  // namespace

AdapterInfo sendgrid_adapter() {
  return {"sendgrid",
          {{"base_url"}, {"api_key", true, true}, {"from", true}, {"webhook_key"}, {"proxy"}, {"ca_file"}},
          make};
}

}  // namespace signet
