// Plivo Messaging API (plivo.com/docs/messaging/api).
//
//   POST https://api.plivo.com/v1/Account/MA.../Message/
//   Authorization: Basic base64(auth_id:auth_token)
//   Content-Type: application/json
//
//   {"src":"+15550001111","dst":"+15558675310","text":"hi","url":"https://ex.test/webhooks/p?m=0193b3c4-....1",
//    "method":"POST"}                               or powerpack_uuid in src's place
//
//   202 {"message":"message(s) queued","message_uuid":["db3ce55a-7f1d-11e1-8ea7-1231380bc196"],"api_id":"..."}
//   400 {"api_id":"...","error":"..."}
//
// Callback, a form (or a GET's query):
//   MessageUUID=db3c...&ParentMessageUUID=db3c...&To=...&From=...&Status=delivered&ErrorCode=000&Units=1&Sequence=2
// What people write back: From=...&To=...&Text=STOP&Type=sms&MessageUUID=...
//
// X-Plivo-Signature-V3, or -Ma-V3 by the main account's token: base64(HMAC-SHA256(token, text "." nonce)), one of a
// list with commas; the nonce is X-Plivo-Signature-V3-Nonce. The text of a POST: scheme://host/path, "?" if there is
// anything to follow, the query as k=v sorted and joined by '&', "." if both follow, the form as kv sorted and joined
// by nothing. Of a GET: scheme://host/path?, the query as k=v sorted and joined by '&'. Of a name that is there twice,
// the first. No time in it: each nonce counts once.
//
// X-Plivo-Signature-V2, or -Ma-V2, with X-Plivo-Signature-V2-Nonce, is what Plivo documents for messages
// (messaging/concepts/signature-validation): HMAC-SHA256(token, scheme://host/path nonce). It does not cover what a
// callback says, so it counts only where no V3 came, and where signature_version does not ask for V3.
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/provider.h"
#include "providers/reply_class.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.plivo.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr size_t kNonceMax = 128;
constexpr std::string_view kOptedOutCode = "200";  // of a callback (Plivo: support, opted-out customers)

using namespace reply_class;

constexpr StatusWord kStatuses[] = {{"queued", ReceiptKind::queued},       {"sent", ReceiptKind::sent},
                                    {"delivered", ReceiptKind::delivered}, {"read", ReceiptKind::delivered},
                                    {"failed", ReceiptKind::failed},       {"undelivered", ReceiptKind::failed},
                                    {"rejected", ReceiptKind::failed}};

// Plivo has no codes in its replies. It answers 404 where the account's id is wrong.
ReplyClass class_of_status(int status) { return status == 404 ? kAuth : class_of_http(status); }

std::string sorted(const Fields& fields, const char* equals, const char* between) {
  std::map<std::string, std::string> first;
  for (const auto& [name, value] : fields) first.emplace(name, value);
  std::string out;
  for (const auto& [name, value] : first) {
    if (!out.empty()) out += between;
    out += name + equals + value;
  }
  return out;
}

std::optional<std::string> signed_text(const CallbackRequest& request) {
  const auto query = read_form(query_of(request.public_url));
  const auto form = request.method == "GET" ? Fields() : read_form(request.body);
  if (!query || !form) return std::nullopt;
  auto out = request.public_url.substr(0, request.public_url.find_first_of("?#"));
  if (query->empty() && form->empty()) return out;
  out += "?" + sorted(*query, "=", "&");
  if (!query->empty() && !form->empty()) out += ".";
  return out + sorted(*form, "", "");
}

enum class Version { any, v2, v3 };
struct Signature {
  std::string_view own, main, nonce;  // by the account's token, by its main account's
  bool is_absent() const { return own.empty() && main.empty(); }
};

Signature signature_in(const CallbackRequest& request, const std::string& version) {
  return {only_header(request, "x-plivo-signature-" + version), only_header(request, "x-plivo-signature-ma-" + version),
          only_header(request, "x-plivo-signature-" + version + "-nonce")};
}

class Plivo : public Provider {
 public:
  struct Parts {
    std::string url, auth_id, auth_token, from, powerpack_uuid;
    Version version = Version::any;
  };
  explicit Plivo(Parts parts)
      : url_(std::move(parts.url)),
        from_(std::move(parts.from)),
        powerpack_uuid_(std::move(parts.powerpack_uuid)),
        authorization_("Basic " + to_base64(parts.auth_id + ":" + parts.auth_token)),
        token_(std::move(parts.auth_token)),
        version_(parts.version) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return true; }
  bool has_receipts() const override { return true; }
  CallbackWay callback_way() const override { return CallbackWay::message; }

  HttpRequest build(const Outbound& message) const override {
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", std::string(authorization_.octets())},
                       {"Content-Type", "application/json"},
                       {"Accept", "application/json"}};
    nlohmann::ordered_json body;
    body[from_.empty() ? "powerpack_uuid" : "src"] = from_.empty() ? powerpack_uuid_ : from_;
    body["dst"] = message.recipient.reveal();
    body["text"] = message.body.reveal();
    if (!message.callback_url.empty()) {
      body["url"] = message.callback_url;
      body["method"] = "POST";
    }
    request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    if (reply.status < 200 || reply.status >= 300) return outcome_of(class_of_status(reply.status), reply);
    const auto answer = json_object_of(reply.body, kReplyMax);
    const auto id = answer ? text_at(*answer, "message_uuid.0") : "";
    return is_reference(id) ? accepted_as(id, reply) : outcome_of(kUnreadable, reply);
  }

  Verdict verify(const CallbackRequest& request) const override {
    auto signature = signature_in(request, version_ == Version::v2 ? "v2" : "v3");
    bool is_v2 = version_ == Version::v2;
    if (version_ == Version::any && signature.is_absent()) {
      signature = signature_in(request, "v2");
      is_v2 = true;
    }
    const auto nonce = signature.nonce;
    if (signature.is_absent()) return {false, "no signature header", "", true};
    if (nonce.empty() || nonce.size() > kNonceMax) return {false, "no nonce"};
    const auto bare = request.public_url.substr(0, request.public_url.find_first_of("?#"));
    const auto text = is_v2 ? std::optional(bare) : signed_text(request);
    if (!text) return {false, "unreadable body"};
    const auto expected =
        to_base64(view(hmac_sha256(token_.octets(), *text + (is_v2 ? "" : ".") + std::string(nonce))));
    // All of them, so that the time it takes does not tell which one fits.
    bool is_signed = false;
    for (auto list : {signature.own, signature.main})
      while (!list.empty()) {
        auto one = list.substr(0, list.find(','));
        list.remove_prefix(std::min(one.size() + 1, list.size()));
        while (one.starts_with(' ')) one.remove_prefix(1);
        is_signed = is_equal_constant_time(one, expected) || is_signed;
      }
    if (!is_signed) return {false, "bad signature"};
    return {true, "", std::string(nonce)};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto fields = fields_of(request);
    if (!fields) return refuse("the body is not a form");
    const auto status = field_of(*fields, "Status"), id = field_of(*fields, "MessageUUID");
    if (!is_reference(id)) return refuse("no MessageUUID");
    if (status.empty() && is_inbound(*fields)) return std::vector<Receipt>();
    const auto* kind = find_status(kStatuses, status);
    if (!kind) return refuse("a Status that is not in the table");
    Receipt receipt;
    const auto parent = field_of(*fields, "ParentMessageUUID");
    receipt.provider_reference = is_reference(parent) ? parent : id;  // what the reply to the send named
    receipt.kind = *kind;
    receipt.is_partial = receipt.provider_reference != id;
    receipt.event_id = id + ":" + status;
    if (const auto code = field_of(*fields, "ErrorCode"); is_reference(code) && code != "000")
      receipt.provider_code = code;
    set_echo(receipt, echo_in(request.public_url));
    const bool is_opted_out = receipt.provider_code == kOptedOutCode;
    return receipts_of(std::move(receipt), is_opted_out);
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    const auto fields = fields_of(request);
    if (!fields) return refuse("the body is not a form");
    if (!field_of(*fields, "Status").empty() || !is_inbound(*fields)) return std::vector<Inbound>();
    auto from = e164_of(field_of(*fields, "From"));
    Inbound inbound{Phi(from), field_of(*fields, "To"), Phi(field_of(*fields, "Text")),
                    field_of(*fields, "MessageUUID")};
    if (!is_reference(inbound.event_id)) return refuse("no MessageUUID");
    if (from.empty()) return std::vector<Inbound>();
    return std::vector{std::move(inbound)};
  }

 private:
  static Error refuse(std::string text) { return {ErrorCode::invalid, "plivo callback: " + std::move(text)}; }
  static bool is_inbound(const Fields& fields) {
    return std::any_of(fields.begin(), fields.end(), [](auto& field) { return field.first == "Text"; });
  }

  std::string url_, from_, powerpack_uuid_;
  Secret authorization_, token_;
  Version version_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  Plivo::Parts parts;
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  parts.auth_id = setting_of(settings, "auth_id");
  for (const char c : parts.auth_id)
    if (!isalnum(static_cast<unsigned char>(c)))
      return setting_error(settings, "auth_id", "letters and digits only, as in Plivo's console: MA...");
  parts.url = *base_url + "/v1/Account/" + parts.auth_id + "/Message/";
  parts.auth_token = secret_of(settings, "auth_token");
  parts.from = setting_of(settings, "from");
  parts.powerpack_uuid = setting_of(settings, "powerpack_uuid");
  if (parts.from.empty() && parts.powerpack_uuid.empty())
    return setting_error(settings, "from", "is missing; write a number (+15550001111) or powerpack_uuid");
  if (!parts.from.empty() && !parts.powerpack_uuid.empty())
    return setting_error(settings, "from", "write this or powerpack_uuid, not both");
  const auto version = setting_of(settings, "signature_version", "any");
  if (version != "any" && version != "v2" && version != "v3")
    return setting_error(settings, "signature_version",
                         "write any, v3, or v2, which does not cover what a callback says");
  parts.version = version == "v2" ? Version::v2 : version == "v3" ? Version::v3 : Version::any;
  return std::unique_ptr<Provider>(std::make_unique<Plivo>(std::move(parts)));
}

}  // namespace

AdapterInfo plivo_adapter() {
  return {"plivo",
          {{"base_url"},
           {"auth_id", true},
           {"auth_token", true, true},
           {"from"},
           {"powerpack_uuid"},
           {"signature_version"},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
