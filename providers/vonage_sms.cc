// Vonage SMS API (developer.vonage.com/messaging/sms, OpenAPI sms.yml): `adapter: vonage`, `api: sms`.
//
//   POST https://rest.nexmo.com/sms/json
//   Content-Type: application/x-www-form-urlencoded
//
//   api_key=abcd1234&api_secret=...&from=Acme&to=447700900000&text=hi&type=text&client-ref=0193b3c4....1.1
//   &callback=https%3A%2F%2Fex.test%2Fwebhooks%2Fv%3Fm%3D...                with receipts
//   &timestamp=1540924779&sig=9FEC...                                       instead of api_secret
//
// HTTP says 200 also where it failed; the answer has one entry a part, and some may be taken and others not:
//   {"message-count":"1","messages":[{"to":"...","message-id":"0A0000000123ABCD1","status":"0", ...}]}
//   {"message-count":"1","messages":[{"status":"2","error-text":"Missing to param"}]}
//
// Receipt, one a part, by GET, as a form or as JSON, as the account is set; signed if the account is set so:
//   msisdn=447700900000&to=Acme&messageId=0A0000000123ABCD1&status=delivered&err-code=0&api-key=abcd1234
//   &client-ref=0193b3c4....1.1&message-timestamp=...&timestamp=1540924790&nonce=...&sig=...
//   sig: every parameter but sig, sorted by name, as &name=value with '&' and '=' in values as '_'; hex MD5 of that and
//   the secret behind it (md5hash), or hex HMAC of it. In capitals or not.
//
// What people write back: msisdn=447700900000&to=447700900001&messageId=...&text=STOP&type=text&keyword=STOP
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/webhook_crypto.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/reply_class.h"
#include "providers/settings.h"
#include "providers/sms_text.h"
#include "providers/vonage_sms.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://rest.nexmo.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr size_t kClientRefMax = 40;
constexpr size_t kPartsMax = 99;

using namespace reply_class;

// developer.vonage.com/api-errors/sms. A status that is not here is a refusal all the same.
constexpr CodeClass kCodes[] = {
    {1, kThrottled},      // faster than the account may
    {2, kMessage},        // a parameter is missing
    {3, kMessage},        // a parameter is invalid
    {4, kAuth},           // wrong key or secret
    {5, kProviderError},  // internal error
    {6, kMessage},        // cannot be processed, for example an unknown prefix
    {7, kRecipient},      // the number is barred
    {8, kAccount},        // the account is suspended
    {9, kAccount},        // no credit
    {10, kThrottled},     // too many connections at once
    {11, kAccount},       // the account may not use this interface
    {12, kMessage},       // too long
    {14, kAuth},          // wrong signature
    {15, kSender},        // this sender is not allowed there
    {22, kRecipient},     // invalid network code
    {23, kMessage},       // invalid callback URL
    {29, kAccount},       // a trial account, and the number is not on its list
    {32, kAuth},          // signed and unsigned mixed
    {33, kNoRecipient},   // the number is deactivated
};
// Some parts went out and some did not: a repeat would send those again, and the message as it is says something else.
constexpr ReplyClass kPartly{OutcomeKind::in_doubt, FaultScope::message, "partly_accepted"};

constexpr StatusWord kStatuses[] = {{"accepted", ReceiptKind::sent},  {"buffered", ReceiptKind::sent},
                                    {"unknown", ReceiptKind::sent},   {"delivered", ReceiptKind::delivered},
                                    {"expired", ReceiptKind::failed}, {"failed", ReceiptKind::failed},
                                    {"rejected", ReceiptKind::failed}};
// Of a receipt: the recipient has written STOP to this sender (Vonage: SMS API, delivery receipt error codes).
constexpr std::string_view kOptedOutCode = "9";

ReplyClass class_of(const std::string& code) {
  const auto* row = find_code(kCodes, code);
  return row ? *row : kMessage;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return out;
}

bool is_number(std::string_view text, size_t digits_max) {
  return !text.empty() && text.size() <= digits_max && text.find_first_not_of("0123456789") == text.npos;
}

// The attempt and how many parts it has, in Vonage's 40 characters: the message's id without dashes, ".N.PARTS".
std::string client_ref_of(const Outbound& message, size_t parts) {
  auto out = to_hex(message.message_id.view()) + "." + std::to_string(message.attempt_no) + "." + std::to_string(parts);
  return out.size() <= kClientRefMax ? out : "";
}
struct ClientRef {
  Echo echo;
  int parts = 1;
};
std::optional<ClientRef> parse_client_ref(std::string_view text) {
  constexpr size_t kHex = 32;
  const auto dot = text.rfind('.');
  if (text.size() > kClientRefMax || dot == text.npos || dot <= kHex || text[kHex] != '.') return std::nullopt;
  std::string id(text.substr(0, kHex));
  for (size_t at : {20, 16, 12, 8}) id.insert(at, "-");
  const auto echo = parse_echo(id + std::string(text.substr(kHex, dot - kHex)));
  const auto digits = text.substr(dot + 1);
  if (!echo || !is_number(digits, 2)) return std::nullopt;
  ClientRef out{*echo};
  std::from_chars(digits.data(), digits.data() + digits.size(), out.parts);
  return out;
}

// A receipt's parameters, wherever they are. JSON that is no flat object of texts and numbers has none.
std::optional<Fields> parameters_of(const CallbackRequest& request) {
  if (request.method == "GET" || !request.body.starts_with('{')) return fields_of(request);
  const auto object = json_object_of(request.body);
  if (!object) return std::nullopt;
  Fields out;
  for (const auto& field : *object) out.emplace_back(std::string(field.key), text_at(*object, field.key, kJsonMax));
  return out;
}

class VonageSms : public Provider {
 public:
  struct Parts {
    std::string url, from, api_key, api_secret;
    std::vector<Secret> signature_secrets;
    std::optional<WebhookHash> hash;  // none: md5hash
  };
  explicit VonageSms(Parts parts)
      : url_(std::move(parts.url)),
        from_(std::move(parts.from)),
        api_key_(std::move(parts.api_key)),
        api_secret_(std::move(parts.api_secret)),
        signature_secrets_(std::move(parts.signature_secrets)),
        hash_(parts.hash) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return !signature_secrets_.empty(); }
  int64_t receipt_wait_ms() const override { return 72 * int64_t{3'600'000}; }  // then Vonage itself says `expired`
  CallbackWay callback_way() const override { return has_receipts() ? CallbackWay::message : CallbackWay::none; }

  HttpRequest build(const Outbound& message) const override {
    const auto& text = message.body.reveal();
    const auto gsm = encode_sms(text, SmsAlphabet::gsm), wide = encode_sms(text, SmsAlphabet::ucs2);
    const auto parts = gsm    ? split_sms(*gsm, SmsAlphabet::gsm, SmsJoin::header).size()
                       : wide ? split_sms(*wide, SmsAlphabet::ucs2, SmsJoin::header).size()
                              : 1;
    Fields fields{{"api_key", std::string(api_key_.octets())},
                  {"from", from_},
                  {"to", std::string(without_plus(message.recipient.reveal()))},
                  {"text", text},
                  {"type", gsm ? "text" : "unicode"}};
    if (const auto ref = client_ref_of(message, parts); !ref.empty()) fields.emplace_back("client-ref", ref);
    if (has_receipts() && !message.callback_url.empty()) fields.emplace_back("callback", message.callback_url);
    if (!api_secret_.is_empty()) {
      fields.emplace_back("api_secret", std::string(api_secret_.octets()));
    } else {
      fields.emplace_back("timestamp", std::to_string(message.at.us / 1'000'000));
      fields.emplace_back("sig", signature_of(fields, signature_secrets_.front()));
    }
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
    for (const auto& [name, value] : fields) {
      if (!request.body.empty()) request.body += '&';
      request.body += name + "=";
      append_form(request.body, value);
    }
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    if (reply.status < 200 || reply.status >= 300) return outcome_of(class_of_http(reply.status), reply);
    const auto answer = json_object_of(reply.body, kReplyMax);
    const auto messages = answer ? element_at(*answer, "messages") : std::nullopt;
    simdjson::dom::array parts;
    if (!messages || messages->get(parts) || parts.size() == 0 || parts.size() > kPartsMax ||
        number_at(*answer, "message-count") != static_cast<int64_t>(parts.size()))
      return outcome_of(kUnreadable, reply);
    std::string first, all;  // ids of the parts that were taken
    std::string code;        // of the first that was not
    size_t taken = 0;
    for (const auto& part : parts) {
      simdjson::dom::object entry;
      if (part.get(entry)) return outcome_of(kUnreadable, reply);
      const auto status = text_at(entry, "status"), id = text_at(entry, "message-id");
      if (!is_number(status, 4)) return outcome_of(kUnreadable, reply);
      if (status != "0") {
        if (code.empty()) code = status;
      } else {
        if (!is_reference(id)) return outcome_of(kUnreadable, reply);
        all += (taken++ == 0 ? "" : " ") + id;
        if (first.empty()) first = id;
      }
    }
    Outcome outcome =
        taken == parts.size() ? accepted_as("", reply) : outcome_of(taken > 0 ? kPartly : class_of(code), reply);
    outcome.parts = static_cast<int>(parts.size());
    // Each part has receipts of its own. All ids of a message that is not whole would let it arrive without the rest.
    outcome.provider_reference = taken == parts.size() ? std::move(all) : std::move(first);
    outcome.provider_code = std::move(code);
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    auto fields = parameters_of(request);
    if (!fields) return {false, "unreadable body"};
    const auto signature = lower(field_of(*fields, "sig"));
    if (signature.empty()) return {false, "no signature", "", true};
    if (!has_receipts()) return {false, "there is no signature_secret_file to tell it by"};
    // Whether a GET's signature covers what stood in our URL before is not documented: either will do.
    Fields without_echo;
    std::copy_if(fields->begin(), fields->end(), std::back_inserter(without_echo),
                 [](auto& field) { return field.first != "m"; });
    bool is_signed = false;
    for (const auto& secret : signature_secrets_)
      for (const auto* covered : {&*fields, &without_echo})
        is_signed = is_equal_constant_time(signature_of(*covered, secret), signature) || is_signed;
    if (!is_signed) return {false, "bad signature"};
    const auto stamp = field_of(*fields, "timestamp");
    const int64_t now_s = request.received_at.us / 1'000'000;
    int64_t signed_s = 0;
    if (!is_number(stamp, 12)) return {false, "no time stamp"};
    std::from_chars(stamp.data(), stamp.data() + stamp.size(), signed_s);
    if (signed_s < now_s - kVonageWindowS || signed_s > now_s + kVonageWindowS) return {false, "too old"};
    return {true, ""};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto fields = parameters_of(request);
    if (!fields) return refuse("neither a form nor a JSON object");
    const auto status = field_of(*fields, "status");
    if (status.empty() && is_inbound(*fields)) return std::vector<Receipt>();
    const auto* kind = find_status(kStatuses, status);
    Receipt receipt;
    receipt.provider_reference = field_of(*fields, "messageId");
    if (!is_reference(receipt.provider_reference)) return refuse("no messageId");
    if (!kind) return refuse("a status that is not in the table");
    receipt.kind = *kind;
    receipt.event_id = receipt.provider_reference + ":" + status;
    if (const auto code = field_of(*fields, "err-code"); is_number(code, 4)) receipt.provider_code = code;
    const auto ref = parse_client_ref(field_of(*fields, "client-ref"));
    set_echo(receipt, ref ? ref->echo : echo_in(request.public_url));
    receipt.is_partial = ref && ref->parts > 1;  // it speaks of one part of them
    const bool is_opted_out = receipt.provider_code == kOptedOutCode;
    return receipts_of(std::move(receipt), is_opted_out);
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    const auto fields = parameters_of(request);
    if (!fields) return refuse("neither a form nor a JSON object");
    if (!field_of(*fields, "status").empty() || !is_inbound(*fields)) return std::vector<Inbound>();
    auto from = e164_of(field_of(*fields, "msisdn"));
    Inbound inbound{Phi(from), field_of(*fields, "to"), Phi(field_of(*fields, "text")), field_of(*fields, "messageId")};
    if (!is_reference(inbound.event_id)) return refuse("no messageId");
    if (from.empty()) return std::vector<Inbound>();
    return std::vector{std::move(inbound)};
  }

 private:
  static Error refuse(std::string text) { return {ErrorCode::invalid, "vonage callback: " + std::move(text)}; }
  static bool is_inbound(const Fields& fields) {
    return std::any_of(fields.begin(), fields.end(), [](auto& field) { return field.first == "text"; });
  }

  std::string signature_of(const Fields& fields, const Secret& secret) const {
    std::string text;
    for (auto [name, value] : std::map<std::string, std::string>(fields.begin(), fields.end())) {
      if (name == "sig") continue;
      for (char& c : value)
        if (c == '&' || c == '=') c = '_';
      text += "&" + name + "=" + value;
    }
    return to_hex(hash_ ? hmac(*hash_, secret.octets(), text) : md5(text + std::string(secret.octets())));
  }

  std::string url_, from_;
  Secret api_key_, api_secret_;
  std::vector<Secret> signature_secrets_;  // the first signs, any may have signed
  std::optional<WebhookHash> hash_;
};

}  // namespace

Result<std::unique_ptr<Provider>> make_vonage_sms(const ProviderSettings& settings) {
  VonageSms::Parts parts;
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  parts.url = *base_url + "/sms/json";
  parts.from = without_plus(setting_of(settings, "from"));
  parts.api_key = secret_of(settings, "api_key");
  parts.api_secret = secret_of(settings, "api_secret");
  for (const auto secret : secrets_of(settings, "signature_secret"))
    parts.signature_secrets.emplace_back(std::string(secret));
  if (parts.api_key.empty()) return setting_error(settings, "api_key_file", "is missing");
  if (parts.api_secret.empty() && parts.signature_secrets.empty())
    return setting_error(settings, "api_secret_file",
                         "is missing; write it, or signature_secret_file to sign requests");
  const auto method = setting_of(settings, "signature_method", "md5hash");
  const std::map<std::string, std::optional<WebhookHash>> methods{{"md5hash", std::nullopt},
                                                                  {"md5", WebhookHash::md5},
                                                                  {"sha1", WebhookHash::sha1},
                                                                  {"sha256", WebhookHash::sha256},
                                                                  {"sha512", WebhookHash::sha512}};
  const auto found = methods.find(method);
  if (found == methods.end())
    return setting_error(settings, "signature_method",
                         "write md5hash, md5, sha1, sha256 or sha512, as the account has it");
  parts.hash = found->second;
  return std::unique_ptr<Provider>(std::make_unique<VonageSms>(std::move(parts)));
}

}  // namespace signet
