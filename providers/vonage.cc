// Vonage Messages API v1 (developer.vonage.com/messages). The older SMS API is vonage_sms.cc.
//
//   POST https://api.nexmo.com/v1/messages
//   Authorization: Bearer <JWT, RS256: application_id iat exp jti>     or Basic base64(api_key:api_secret)
//   Content-Type: application/json
//
//   {"message_type":"text","channel":"sms","to":"447700900000","from":"Acme","text":"hi",
//    "client_ref":"0193b3c4-....1","webhook_url":"https://ex.test/webhooks/v?m=0193b3c4-....1"}
//
//   202 {"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}
//   422 {"type":"https://developer.vonage.com/api-errors/messages#1120","title":"Invalid sender","detail":"...",
//        "instance":"..."}
//
// Status callback, signed: Authorization: Bearer <JWT, HS256 with the account's signature secret: iat jti iss
// payload_hash api_key application_id>, payload_hash = hex SHA-256 of the raw body.
//
//   {"message_uuid":"...","to":"...","from":"...","timestamp":"...","status":"delivered","client_ref":"...",
//    "channel":"sms","error":{"type":"...#1050","title":"1050","detail":"...","instance":"..."}}
//
// What people write back comes to the same URL if it is set there: {"message_uuid":"...","channel":"sms",
//    "message_type":"text","to":"447700900001","from":"447700900000","text":"STOP", ...}
#include "providers/vonage_sms.h"

#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/jwt.h"
#include "providers/reply_class.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.nexmo.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int64_t kTokenLifeS = 900;

using namespace reply_class;

// developer.vonage.com/api-errors/messages. The numbers are Vonage's word, the classes are our judgement; what is not
// here falls back to the class of the HTTP status.
constexpr CodeClass kCodes[] = {
    {1000, kThrottled},      // over the account's rate
    {1010, kMessage},        // a parameter is missing
    {1020, kMessage},        // a parameter is invalid
    {1030, kProviderError},  // internal error
    {1040, kMessage},        // cannot be processed, for example an unknown prefix
    {1050, kRecipient},      // the number is barred
    {1060, kAccount},        // the account is barred
    {1070, kAccount},        // its credit or quota is used up
    {1080, kAccount},        // the account may not use this API
    {1090, kMessage},        // too long
    {1100, kProviderError},  // communication failed: not submitted
    {1120, kSender},         // this sender is not allowed there
    {1140, kAccount},        // not enabled for the account
    {1160, kAccount},        // not on the list of a trial account
    {1170, kNoRecipient},    // no or an invalid number
    {1180, kUnreachable},    // out of reach, for now
    {1190, kNoRecipient},    // no longer in use
    {1200, kRecipient},      // lost between two carriers
    {1210, kMessage},        // taken for spam
    {1220, kUnreachable},    // the handset is busy
    {1230, kProviderError},  // a network failure
    {1240, kOptedOut},       // the recipient has written STOP ("Illegal Number")
    {1241, kThrottled},      // too many to this number
    {1250, kRecipient},      // no route there
    {1260, kRecipient},      // unreachable
    {1270, kRecipient},      // age restriction
    {1280, kRecipient},      // the carrier blocks the number
    {1290, kRecipient},      // no credit to receive
    {1300, kNoRecipient},    // not in that network
    {1310, kRecipient},      // its device cannot
    {1330, kProviderError},  // unknown error of the carrier
    {1331, kProviderError},  // the carrier does not respond
    {1360, kMessage},        // expired before it could be delivered
};

constexpr StatusWord kStatuses[] = {{"submitted", ReceiptKind::sent},
                                    {"delivered", ReceiptKind::delivered},
                                    {"read", ReceiptKind::delivered},
                                    {"rejected", ReceiptKind::failed},
                                    {"undeliverable", ReceiptKind::failed}};

// `...#1120` of the type, else the title if it is the number, as it was in older replies.
std::string code_at(simdjson::dom::object object, const std::string& prefix) {
  const auto type = text_at(object, prefix + "type"), title = text_at(object, prefix + "title");
  const auto mark = type.rfind('#');
  auto code = mark == type.npos ? std::string() : type.substr(mark + 1);
  if (!find_code(kCodes, code) && !title.empty() && title.find_first_not_of("0123456789") == title.npos) code = title;
  return is_reference(code) ? code : "";
}

class VonageMessages : public Provider {
 public:
  struct Parts {
    std::string url, from, application_id, basic;
    std::vector<Secret> signature_secrets;
    std::optional<RsaSigningKey> key;
  };
  explicit VonageMessages(Parts parts)
      : url_(std::move(parts.url)),
        from_(std::move(parts.from)),
        application_id_(std::move(parts.application_id)),
        basic_(std::move(parts.basic)),
        signature_secrets_(std::move(parts.signature_secrets)),
        key_(std::move(parts.key)) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return has_receipts(); }
  bool has_receipts() const override { return !signature_secrets_.empty(); }
  CallbackWay callback_way() const override { return has_receipts() ? CallbackWay::message : CallbackWay::none; }
  size_t text_max() const override { return 1000; }

  HttpRequest build(const Outbound& message) const override {
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", key_ ? "Bearer " + token(message) : std::string(basic_.octets())},
                       {"Content-Type", "application/json"},
                       {"Accept", "application/json"}};
    nlohmann::ordered_json body{{"message_type", "text"},
                                {"channel", "sms"},
                                {"to", without_plus(message.recipient.reveal())},
                                {"from", from_},
                                {"text", message.body.reveal()},
                                {"client_ref", message.echo()}};
    if (has_receipts() && !message.callback_url.empty()) {
      body["webhook_url"] = message.callback_url;
      body["webhook_version"] = "v1";  // what receipts() reads, whatever the account is set to
    }
    request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const bool is_success = reply.status >= 200 && reply.status < 300;
    const auto answer = json_object_of(reply.body, kReplyMax);
    if (is_success) {
      const auto id = answer ? text_at(*answer, "message_uuid") : "";
      return is_reference(id) ? accepted_as(id, reply) : outcome_of(kUnreadable, reply);
    }
    const auto code = answer ? code_at(*answer, "") : "";
    const auto* row = find_code(kCodes, code);
    Outcome outcome = outcome_of(row ? *row : class_of_http(reply.status), reply);
    outcome.provider_code = code;
    return outcome;
  }

  Verdict verify(const CallbackRequest& request) const override {
    constexpr std::string_view kBearer = "Bearer ";
    const auto authorization = only_header(request, "authorization");
    if (!authorization.starts_with(kBearer)) return {false, "no signature header", "", authorization.empty()};
    if (!has_receipts()) return {false, "there is no signature_secret_file to tell it by"};
    std::optional<std::string> claims;
    for (const auto& secret : signature_secrets_)
      if (auto opened = open_hs256_token(authorization.substr(kBearer.size()), secret.octets())) claims = *opened;
    if (!claims) return {false, "bad signature"};
    const auto object = json_object_of(*claims);
    if (!object) return {false, "unreadable token"};
    const int64_t now_s = request.received_at.us / 1'000'000;
    const auto issued_s = number_at(*object, "iat"), expires_s = number_at(*object, "exp");
    if (!issued_s || *issued_s < now_s - kVonageWindowS || *issued_s > now_s + kVonageWindowS)
      return {false, "too old"};
    if (expires_s && *expires_s < now_s) return {false, "too old"};
    const auto digest = sha256(request.body);
    const auto payload_hash = text_at(*object, "payload_hash");
    if (!(payload_hash.empty() && request.body.empty()) && !is_equal_constant_time(payload_hash, to_hex(view(digest))))
      return {false, "body not covered by the signature"};
    return {true, "", text_at(*object, "jti")};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    if (!object) return refuse("the body is not a JSON object");
    if (is_inbound(*object)) return std::vector<Receipt>();
    const auto status = text_at(*object, "status");
    const auto* kind = find_status(kStatuses, status);
    Receipt receipt;
    receipt.provider_reference = text_at(*object, "message_uuid");
    if (!is_reference(receipt.provider_reference)) return refuse("no message_uuid");
    if (!kind) return refuse("a status that is not in the table");
    receipt.kind = *kind;
    receipt.event_id = receipt.provider_reference + ":" + status;
    receipt.provider_code = code_at(*object, "error.");
    if (receipt.provider_code.empty())
      receipt.provider_code = code_at(*object, "error.error.");  // (Vonage: Kotlin SDK)
    const auto echo = parse_echo(text_at(*object, "client_ref"));
    set_echo(receipt, echo ? echo : echo_in(request.public_url));
    const auto* what = find_code(kCodes, receipt.provider_code);
    return receipts_of(std::move(receipt), what && what->is_opted_out);
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    const auto object = json_object_of(request.body);
    if (!object) return refuse("the body is not a JSON object");
    if (!is_inbound(*object)) return std::vector<Inbound>();
    auto from = e164_of(text_at(*object, "from"));
    Inbound inbound{Phi(from), text_at(*object, "to"), Phi(text_at(*object, "text", kJsonMax)),
                    text_at(*object, "message_uuid")};
    if (!is_reference(inbound.event_id)) return refuse("no message_uuid");
    if (from.empty()) return std::vector<Inbound>();
    return std::vector{std::move(inbound)};
  }

  // Vonage says that a few callbacks come without a signature, and come again after a 5xx.
  CallbackReply reply_to(CallbackEnd end) const override {
    if (end == CallbackEnd::unsigned_) return {503, {}, ""};
    return Provider::reply_to(end);
  }

 private:
  static Error refuse(std::string text) { return {ErrorCode::invalid, "vonage callback: " + std::move(text)}; }
  static bool is_inbound(simdjson::dom::object object) {
    return !element_at(object, "status") && element_at(object, "message_type");
  }

  // The attempt names its token, so that no two attempts share one and none needs chance.
  std::string token(const Outbound& message) const {
    const int64_t now_s = message.at.us / 1'000'000;
    const auto name = sha256(message.idempotency_key + " " + message.echo() + " " + std::to_string(message.at.us));
    const nlohmann::ordered_json claims{{"application_id", application_id_},
                                        {"iat", now_s},
                                        {"exp", now_s + kTokenLifeS},
                                        {"jti", to_hex(view(name).substr(0, 16))}};
    auto made = make_rs256_token(*key_, claims.dump());
    SIGNET_CHECK(made.ok());  // make_messages() has signed with this key
    return *made;
  }

  std::string url_, from_, application_id_;
  Secret basic_;
  std::vector<Secret> signature_secrets_;  // any may have signed
  std::optional<RsaSigningKey> key_;
};

Result<std::unique_ptr<Provider>> make_messages(const ProviderSettings& settings) {
  VonageMessages::Parts parts;
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  parts.url = *base_url + "/v1/messages";
  parts.from = without_plus(setting_of(settings, "from"));
  parts.application_id = setting_of(settings, "application_id");
  for (const auto secret : secrets_of(settings, "signature_secret"))
    parts.signature_secrets.emplace_back(std::string(secret));
  const auto pem = secret_of(settings, "private_key"), api_key = secret_of(settings, "api_key"),
             api_secret = secret_of(settings, "api_secret");
  if (!pem.empty()) {
    if (parts.application_id.empty()) return setting_error(settings, "application_id", "is missing");
    auto key = RsaSigningKey::from_pem(Secret(std::string(pem)));
    if (!key) return setting_error(settings, "private_key_file", key.error().text);
    if (auto tried = make_rs256_token(*key, "{}"); !tried)
      return setting_error(settings, "private_key_file", tried.error().text);
    parts.key = std::move(*key);
  } else if (api_key.empty() || api_secret.empty()) {
    return setting_error(settings, "private_key_file",
                         "is missing; write it and application_id, or api_key_file and api_secret_file");
  } else {
    parts.basic = "Basic " + to_base64(std::string(api_key) + ":" + std::string(api_secret));
  }
  return std::unique_ptr<Provider>(std::make_unique<VonageMessages>(std::move(parts)));
}

}  // namespace

AdapterInfo vonage_adapter() {
  return {"vonage",
          {{"base_url"},
           {"api"},
           {"from", true},
           {"application_id"},
           {"private_key", false, true},
           {"api_key", false, true},
           {"api_secret", false, true},
           {"signature_secret", false, true},
           {"signature_method"},
           {"proxy"},
           {"ca_file"}},
          [](const ProviderSettings& settings) -> Result<std::unique_ptr<Provider>> {
            const auto api = setting_of(settings, "api", "messages");
            if (api == "messages") return make_messages(settings);
            if (api == "sms") return make_vonage_sms(settings);
            return setting_error(settings, "api", "write messages or sms");
          }};
}

}  // namespace signet
