// Mailgun (documentation.mailgun.com, "Sending" and "Webhooks").
//
//   POST https://api.mailgun.net/v3/mg.example.org/messages          in the EU https://api.eu.mailgun.net
//   Authorization: Basic base64(api:KEY)
//   Content-Type: multipart/form-data; boundary=signet-5f2c...        (RFC 7578)
//
//   from: Clinic <clinic@mg.example.org>   to: a@example.net   subject: s   text: x   v:sid: 0193b3c4-....1
//
//   200 {"id":"<20130503182626.18666.16540@mg.example.org>","message":"Queued. Thank you."}
//   429 {"message":"... try again after Thu, 02 Jul 2020 15:09:10 UTC"}       or "... after 120 seconds"
//
// Webhook, its signature inside: hex(HMAC-SHA256(signing key, timestamp + token)). It does not cover the event: a token
// counts once, and for five minutes.
//
//   {"signature":{"timestamp":"1529006854","token":"a8ce0edb2dd8...","signature":"d2271d12299f..."},
//    "event-data":{"event":"failed","id":"CPgfbmQMTCKtHW6uIWtuVe","timestamp":1529006854.3,"severity":"permanent",
//     "reason":"bounce","recipient":"a@example.net","delivery-status":{"code":550,"enhanced-code":"5.1.1"},
//     "message":{"headers":{"message-id":"20130503182626.18666.16540@mg.example.org"}},
//     "user-variables":{"sid":"0193b3c4-....1"}}}
#include <simdjson.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/mime.h"
#include "providers/reply_class.h"
#include "providers/retry_after.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.mailgun.net";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kToleranceS = 300;  // as Mailgun's SDKs have it

using namespace reply_class;

// Mailgun has no codes: a 400 of the account's and one of the message's differ by their text alone.
constexpr const char* kAccountTexts[] = {"sandbox", "not allowed to send", "unverified", "not verified", "activate",
                                         "disabled"};

ReplyClass class_of(int status, const std::string& text) {
  if (status == 404) return kAccount;  // the domain is not of this account
  if (status == 400)
    for (const auto* part : kAccountTexts)
      if (text.find(part) != text.npos) return kAccount;
  return class_of_http(status);
}

constexpr StatusWord kEvents[] = {
    {"accepted", ReceiptKind::queued},       {"delivered", ReceiptKind::delivered},
    {"failed", ReceiptKind::bounced},        {"rejected", ReceiptKind::failed},
    {"complained", ReceiptKind::complained}, {"unsubscribed", ReceiptKind::opted_out},
};

// A failure that is permanent and need not be the address's: tried for too long, refused as spam.
bool is_soft(std::string_view reason) { return reason == "old" || reason == "espblock"; }

// Between < and >: what webhooks have.
std::string message_id_of(std::string_view text) {
  if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '<' && c != '>' && c != '"' && c != '\\';
  });
  return is_plain && text.size() <= 200 && text.find('@') != text.npos ? std::string(text) : "";
}

struct Signature {
  std::string timestamp, token, text;
};
std::optional<Signature> signature_in(const CallbackRequest& request) {
  const auto object = json_object_of(request.body);
  if (!object) return std::nullopt;
  Signature out{text_at(*object, "signature.timestamp", 16), text_at(*object, "signature.token", 128),
                text_at(*object, "signature.signature", 64)};
  if (out.timestamp.empty() || out.token.empty() || out.text.empty()) return std::nullopt;
  return out;
}

class Mailgun : public Provider {
 public:
  Mailgun(std::string base_url, const std::string& domain, std::string_view api_key, std::string from,
          std::vector<Secret> keys)
      : url_(std::move(base_url) + "/v3/" + domain + "/messages"),
        authorization_("Basic " + to_base64("api:" + std::string(api_key))),
        from_(std::move(from)),
        keys_(std::move(keys)) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return !keys_.empty(); }
  CallbackWay callback_way() const override { return CallbackWay::account; }

  HttpRequest build(const Outbound& message) const override {
    const std::string echo = message.echo();
    const std::pair<std::string_view, std::string_view> fields[] = {{"from", from_},
                                                                    {"to", message.recipient.reveal()},
                                                                    {"subject", message.subject.reveal()},
                                                                    {"text", message.body.reveal()},
                                                                    {"v:sid", echo}};
    std::string values;
    for (const auto& [name, value] : fields) values += value;
    // The hash of what is between the boundaries does not stand in it.
    const std::string boundary = "signet-" + to_hex(view(sha256(values)).substr(0, 16));
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", std::string(authorization_.octets())},
                       {"Content-Type", "multipart/form-data; boundary=" + boundary}};
    for (const auto& [name, value] : fields) {
      request.body +=
          "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n";
      request.body.append(value) += "\r\n";
    }
    request.body += "--" + boundary + "--\r\n";
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto object = json_object_of(reply.body, kReplyMax);
    const auto id = object ? message_id_of(text_at(*object, "id")) : "";
    if (reply.status == 200 && !id.empty()) return accepted_as(id, reply);
    const auto text = object ? text_at(*object, "message", 4096) : "";
    Outcome outcome = outcome_of(class_of(reply.status, lower_case(text)), reply);
    if (outcome.is_throttled && !outcome.retry_after_ms) outcome.retry_after_ms = retry_text_ms(reply, text);
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    if (!has_receipts()) return {false, "this provider sends no callbacks: it has no signing_key_file"};
    const auto signature = signature_in(request);
    if (!signature) return {false, "no signature", "", true};
    const auto at_s = number_of(signature->timestamp);
    bool is_signed = false;
    for (const auto& key : keys_) {
      const auto mac = hmac_sha256(key.octets(), signature->timestamp + signature->token);
      is_signed = is_equal_constant_time(to_hex(view(mac)), signature->text) || is_signed;
    }
    if (!is_signed || !at_s) return {false, "bad signature"};
    const int64_t age_s = request.received_at.us / 1'000'000 - *at_s;
    if (age_s > kToleranceS || age_s < -kToleranceS) return {false, "too old"};
    return {true, "", signature->token};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    simdjson::dom::object event;
    if (!object || (*object)["event-data"].get(event))
      return Error{ErrorCode::invalid, "mailgun callback: not an object with event-data"};
    const auto word = text_at(event, "event");
    const auto* kind = find_status(kEvents, word);
    Receipt receipt;
    receipt.provider_reference = message_id_of(text_at(event, "message.headers.message-id"));
    set_echo(receipt, parse_echo(text_at(event, "user-variables.sid")));
    // Clicks, reading, what is new, and mails that we did not send.
    if (!kind || (!receipt.message_id && receipt.provider_reference.empty())) return std::vector<Receipt>();
    receipt.kind = *kind;
    // An id is unique within its day only.
    double at_s = 0;
    const bool has_time = !event["timestamp"].get(at_s) && at_s > 0 && at_s < 1e11;
    receipt.event_id = text_at(event, "id", 64);
    if (!is_reference(receipt.event_id) || !has_time)
      return Error{ErrorCode::invalid, "mailgun callback: an event without id or timestamp"};
    receipt.event_id += ":" + std::to_string(static_cast<int64_t>(at_s));
    const auto code = text_at(event, "delivery-status.code"),
               enhanced = text_at(event, "delivery-status.enhanced-code");
    receipt.provider_code = is_reference(enhanced) ? enhanced : is_reference(code) ? code : "";
    bool is_opted_out = false;
    if (word == "failed") {
      const auto reason = text_at(event, "reason");
      if (text_at(event, "severity") != "permanent") {
        receipt.kind = ReceiptKind::sent;            // Mailgun tries on
      } else if (reason.starts_with("suppress-")) {  // it did not try: the address is on its lists
        receipt.kind = ReceiptKind::failed;
        receipt.provider_code = is_reference(reason) ? reason : "";
        is_opted_out = true;
      } else if (code.starts_with('4') || is_soft(reason)) {
        receipt.kind = ReceiptKind::failed;
      }
    }
    return receipts_of(std::move(receipt), is_opted_out);
  }

  // 406 ends Mailgun's tries; after anything but 200 it comes again, also when only our signing key is wrong.
  CallbackReply reply_to(CallbackEnd end) const override {
    if (end == CallbackEnd::kept) return {200, {}, ""};
    if (end == CallbackEnd::unreadable) return {406, {}, ""};
    return Provider::reply_to(end);
  }

 private:
  static std::optional<int64_t> number_of(const std::string& digits) {
    if (digits.empty() || digits.size() > 12 || digits.find_first_not_of("0123456789") != digits.npos)
      return std::nullopt;
    return std::stoll(digits);
  }

  std::string url_;
  Secret authorization_;
  std::string from_;
  std::vector<Secret> keys_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  const auto domain = setting_of(settings, "domain");
  for (char c : domain)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-')
      return setting_error(settings, "domain", "write the sending domain alone: mg.example.org");
  auto from = setting_of(settings, "from");
  if (auto mailbox = parse_mailbox(from); !mailbox) return setting_error(settings, "from", mailbox.error().text);
  std::vector<Secret> keys;
  for (const auto key : secrets_of(settings, "signing_key")) keys.emplace_back(std::string(key));
  return std::unique_ptr<Provider>(std::make_unique<Mailgun>(
      std::move(*base_url), domain, secret_of(settings, "api_key"), std::move(from), std::move(keys)));
}

}  // namespace

AdapterInfo mailgun_adapter() {
  return {"mailgun",
          {{"base_url"},
           {"domain", true},
           {"api_key", true, true},
           {"from", true},
           {"signing_key", false, true},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
