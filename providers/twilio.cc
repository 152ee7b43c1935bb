// Twilio Programmable Messaging (twilio.com/docs/messaging/api/message-resource, OpenAPI twilio_api_v2010.json).
//
//   POST https://api.twilio.com/2010-04-01/Accounts/AC0123.../Messages.json
//   Authorization: Basic base64(AccountSid:AuthToken)
//   Content-Type: application/x-www-form-urlencoded
//
//   To=%2B15005550006&From=%2B15005550001&Body=hi&StatusCallback=https%3A%2F%2Fex.test%2Fwebhooks%2Ft%3Fm%3D...
//
//   201 {"sid":"SM0123456789abcdef0123456789abcdef","status":"queued","num_segments":"1","error_code":null, ...}
//   429 {"code":20429,"message":"Too Many Requests","more_info":"https://...","status":429}
//   400 {"code":21211,"message":"Invalid 'To' Phone Number","more_info":"https://...","status":400}
//
// Status callback, signed: X-Twilio-Signature = base64(HMAC-SHA1(AuthToken, URL + sorted name and value of each
// parameter)). No time stamp in it: repeats are known by (MessageSid, MessageStatus).
//
//   POST https://ex.test/webhooks/t?m=0193b3c4-....1
//   MessageSid=SM0123...&MessageStatus=delivered&To=%2B15005550006&From=...&AccountSid=AC0123...&ApiVersion=2010-04-01
//
// What somebody writes to our number comes to the same address, signed likewise (messaging/guides/webhook-request), as
// a form or, where the number is set so, as a GET's query. With OptOutType Twilio has answered it by itself (Advanced
// Opt-Out); else TwiML in the reply does.
//
//   MessageSid=SM0123...&SmsStatus=received&From=%2B15558675310&To=%2B15005550006&Body=HELP&NumMedia=0&AccountSid=...
//   200 text/xml <Response><Message>...</Message></Response>
#include <simdjson.h>
#include <algorithm>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/provider.h"
#include "providers/reply_class.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr std::string_view kBaseUrl = "https://api.twilio.com";
constexpr size_t kReplyMax = 64 * 1024;
constexpr int kGatewayTimeout = 30410;  // Twilio lost the carrier's answer and does not try again itself

using namespace reply_class;

// twilio.com/docs/api/errors. The numbers are Twilio's word, the classes are our judgement; what is not here falls
// back to the class of the HTTP status, since Twilio adds and changes codes.
constexpr struct {
  int code;
  ReplyClass what;
} kCodes[] = {
    {20003, kAuth},             // authentication failed
    {20404, kAuth},             // no such resource: the account's sid is wrong
    {20429, kThrottled},        // too many requests: not processed
    {20500, kProviderError},    // internal error
    {20503, kProviderError},    // service unavailable
    {21211, kNoRecipient},      // invalid To
    {21212, kSender},           // invalid From
    {21408, kAccount},          // the account may not send to this region
    {21601, kSender},           // From has no SMS
    {21602, kMessage},          // no body
    {21604, kMessage},          // no To
    {21606, kSender},           // From cannot send SMS
    {21607, kSender},           // From is not ours
    {21608, kAccount},          // a trial account, and To is not verified
    {21610, kOptedOut},         // To has replied STOP
    {21611, kSenderThrottled},  // this From's queue is full
    {21612, kRecipient},        // cannot route to To
    {21614, kNoRecipient},      // To is not a mobile number
    {21659, kSender},           // From is no number of Twilio's
    {21660, kSender},           // From is another account's
    {21703, kSender},           // the messaging service has no sender
    {30001, kThrottled},        // queue overflow
    {30002, kAccount},          // account suspended
    {30003, kUnreachable},      // handset off or out of reach
    {30004, kRecipient},        // blocked
    {30005, kNoRecipient},      // unknown destination
    {30006, kNoRecipient},      // landline or unreachable carrier
    {30007, kMessage},          // filtered as spam
    {30008, kProviderError},    // unknown error
    {30022, kSenderThrottled},  // 10DLC rate
    {30027, kSenderThrottled},  // 10DLC daily cap
    {30036, kMessage},          // validity period used up
    {kGatewayTimeout, kDoubt},
    {63018, kSenderThrottled},  // channel's rate
};

constexpr struct {
  const char* word;
  ReceiptKind kind;
  bool is_partial = false;
} kStatuses[] = {
    {"accepted", ReceiptKind::queued},    {"scheduled", ReceiptKind::queued},
    {"queued", ReceiptKind::queued},      {"sending", ReceiptKind::queued},
    {"sent", ReceiptKind::sent},          {"delivered", ReceiptKind::delivered},
    {"read", ReceiptKind::delivered},     {"partially_delivered", ReceiptKind::delivered, true},
    {"undelivered", ReceiptKind::failed}, {"failed", ReceiptKind::failed},
    {"canceled", ReceiptKind::failed},
};

const ReplyClass* find_code(int code) {
  for (const auto& row : kCodes)
    if (row.code == code) return &row.what;
  return nullptr;
}

// Twilio answers 404 where the account's sid is wrong.
ReplyClass class_of_status(int status) { return status == 404 ? kAuth : class_of_http(status); }

std::string xml_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

bool is_message_sid(std::string_view sid) {
  return sid.size() == 34 && (sid.starts_with("SM") || sid.starts_with("MM")) &&
         sid.substr(2).find_first_not_of("0123456789abcdefABCDEF") == sid.npos;
}

struct Answer {
  std::string sid, status;
  int code = 0;  // of an error document, or error_code of a message
  int parts = 1;
};

// Nothing but a JSON object without repeated members is an answer.
std::optional<Answer> read_answer(std::string_view body) {
  if (body.empty() || body.size() > kReplyMax) return std::nullopt;
  thread_local simdjson::dom::parser parser(kReplyMax);
  simdjson::dom::object object;
  // `true`: copies the body, which has not the padding that simdjson reads beyond the end.
  if (parser.parse(body.data(), body.size(), true).get(object)) return std::nullopt;
  Answer answer;
  unsigned seen = 0;
  for (auto [name, value] : object) {
    unsigned member = name == "sid"            ? 1
                      : name == "status"       ? 2
                      : name == "code"         ? 4
                      : name == "error_code"   ? 8
                      : name == "num_segments" ? 16
                                               : 0;
    if (seen & member) return std::nullopt;
    seen |= member;
    std::string_view text;
    int64_t number = 0;
    bool is_text = !value.get(text), is_number = !value.get(number);
    if (member == 1 && is_text) answer.sid = text;
    if (member == 2 && is_text) answer.status = text;
    if ((member == 4 || member == 8) && is_number && number > 0 && number < 1000000) answer.code = int(number);
    if (member == 16 && is_text && text.size() <= 2 && text.find_first_not_of("0123456789") == text.npos)
      for (answer.parts = 0; char c : text) answer.parts = answer.parts * 10 + (c - '0');
  }
  answer.parts = std::max(answer.parts, 1);
  return answer;
}

// `https://host:port/path` with the port taken out, and with the scheme's port put in if there was none: Twilio signs
// one or the other.
std::pair<std::string, std::string> url_variants(const std::string& url) {
  auto scheme = url.find("://");
  if (scheme == url.npos) return {url, url};
  auto begin = scheme + 3, end = std::min(url.find_first_of("/?#", begin), url.size());
  auto host = std::max(url.rfind('@', end) == url.npos ? begin : url.rfind('@', end) + 1, begin);
  auto bracket = url.find(']', host);
  auto colon = url.find(':', bracket < end ? bracket : host);
  if (colon < end) return {url.substr(0, colon) + url.substr(end), url};
  const char* port = url.starts_with("https:") ? ":443" : ":80";
  return {url, url.substr(0, end) + port + url.substr(end)};
}

class Twilio : public Provider {
 public:
  Twilio(std::string base_url, const std::string& account_sid, std::string_view auth_token, std::string_view from,
         std::string_view service)
      : url_(std::move(base_url) + "/2010-04-01/Accounts/" + account_sid + "/Messages.json"),
        authorization_("Basic " + to_base64(account_sid + ":" + std::string(auth_token))),
        token_(std::string(auth_token)) {
    sender_ = service.empty() ? "&From=" : "&MessagingServiceSid=";
    append_form(sender_, service.empty() ? from : service);
  }

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return true; }
  bool has_receipts() const override { return true; }
  CallbackWay callback_way() const override { return CallbackWay::message; }
  size_t text_max() const override { return 1600; }

  HttpRequest build(const Outbound& message) const override {
    HttpRequest request;
    request.url = url_;
    request.headers = {{"Authorization", authorization_},
                       {"Content-Type", "application/x-www-form-urlencoded"},
                       {"Accept", "application/json"}};
    auto& body = request.body;
    body.reserve(128 + sender_.size() + message.body.reveal().size() * 2 + message.callback_url.size() * 2);
    body = "To=";
    append_form(body, message.recipient.reveal());
    body += sender_;
    body += "&Body=";
    append_form(body, message.body.reveal());
    if (!message.callback_url.empty()) {
      body += "&StatusCallback=";
      append_form(body, message.callback_url);
    }
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    auto answer = read_answer(reply.body);
    bool is_success = reply.status >= 200 && reply.status < 300;
    bool is_taken = is_success && answer && is_message_sid(answer->sid);
    Outcome outcome;
    outcome.status_code = reply.status;
    if (is_taken) {
      outcome.provider_reference = answer->sid;
      outcome.parts = answer->parts;
    }
    if (answer && answer->code) outcome.provider_code = std::to_string(answer->code);
    ReplyClass what = kUnreadable;
    if (is_taken && answer->status != "failed" && answer->status != "undelivered" && answer->status != "canceled") {
      outcome.kind = OutcomeKind::accepted;
      return outcome;
    }
    if (is_taken) {  // failed at once: no callback will say so again
      auto row = find_code(answer->code);
      what = row ? *row : kMessage;
    } else if (!is_success) {
      auto row = answer ? find_code(answer->code) : nullptr;
      what = row ? *row : class_of_status(reply.status);
    }
    Outcome ended = outcome_of(what, reply);
    ended.provider_reference = std::move(outcome.provider_reference);
    ended.provider_code = std::move(outcome.provider_code);
    ended.parts = outcome.parts;
    return ended;
  }

  Verdict verify(const CallbackRequest& request) const override {
    auto signature = only_header(request, "x-twilio-signature");
    if (signature.empty()) return {false, "no signature header", "", true};
    std::string parameters;
    if (is_form(request)) {
      auto fields = read_form(request.body);
      if (!fields) return {false, "unreadable body"};
      std::set<std::pair<std::string, std::string>> sorted(fields->begin(), fields->end());
      for (const auto& [name, value] : sorted) parameters += name + value;
    } else if (!request.body.empty()) {  // the signature covers the URL, the URL the digest, the digest the body
      auto query = read_form(query_of(request.public_url));
      auto digest = sha256(request.body);
      if (!query || !is_equal_constant_time(field_of(*query, "bodySHA256"), to_hex(view(digest))))
        return {false, "body not covered by the signature"};
    }
    auto [without_port, with_port] = url_variants(request.public_url);
    bool is_first = is_signed(without_port + parameters, signature);
    bool is_second = is_signed(with_port + parameters, signature);
    if (is_first || is_second) return {true, ""};
    return {false, "bad signature"};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    auto refuse = [](std::string text) { return Error{ErrorCode::invalid, "twilio callback: " + std::move(text)}; };
    auto fields = parameters_of(request);
    if (!fields) return refuse("no form, and no query of a GET");
    auto status = field_of(*fields, "MessageStatus");
    auto row = std::find_if(std::begin(kStatuses), std::end(kStatuses), [&](auto& r) { return status == r.word; });
    Receipt receipt;
    receipt.provider_reference = field_of(*fields, "MessageSid");
    if (!is_message_sid(receipt.provider_reference)) return refuse("no MessageSid");
    if (is_inbound(*fields)) return std::vector<Receipt>();
    if (row == std::end(kStatuses)) return refuse("a MessageStatus that is not in the table");
    receipt.kind = row->kind;
    receipt.is_partial = row->is_partial;
    receipt.event_id = receipt.provider_reference + ":" + status;
    receipt.provider_code = field_of(*fields, "ErrorCode");
    if (receipt.provider_code.find_first_not_of("0123456789") != std::string::npos || receipt.provider_code.size() > 6)
      receipt.provider_code.clear();
    set_echo(receipt, echo_in(request.public_url));
    const bool is_opted_out = receipt.provider_code == "21610";
    return receipts_of(std::move(receipt), is_opted_out);
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    auto fields = parameters_of(request);
    if (!fields) return Error{ErrorCode::invalid, "twilio callback: no form, and no query of a GET"};
    if (!is_inbound(*fields)) return std::vector<Inbound>();
    Inbound inbound;
    inbound.event_id = field_of(*fields, "MessageSid");
    if (!is_message_sid(inbound.event_id)) return Error{ErrorCode::invalid, "twilio callback: no MessageSid"};
    inbound.from = Phi<std::string>(e164_of(field_of(*fields, "From")));
    inbound.to = field_of(*fields, "To");
    inbound.text = Phi<std::string>(field_of(*fields, "Body"));
    inbound.is_answered = !field_of(*fields, "OptOutType").empty();
    if (inbound.from.reveal().empty()) return std::vector<Inbound>();
    return std::vector{std::move(inbound)};
  }

  std::optional<CallbackReply> answer(const std::string& text) const override {
    return CallbackReply{
        200,
        {{"Content-Type", "text/xml; charset=utf-8"}},
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message>" + xml_text(text) + "</Message></Response>"};
  }

 private:
  static bool is_inbound(const Fields& fields) {
    return field_of(fields, "MessageStatus").empty() && field_of(fields, "SmsStatus") == "received";
  }
  static bool is_form(const CallbackRequest& request) {
    auto type = only_header(request, "content-type");
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' ')) type.remove_suffix(1);
    constexpr std::string_view kForm = "application/x-www-form-urlencoded";
    return std::equal(type.begin(), type.end(), kForm.begin(), kForm.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  }
  // A number's webhook may be set to GET.
  static std::optional<Fields> parameters_of(const CallbackRequest& request) {
    return request.method == "GET" || is_form(request) ? fields_of(request) : std::nullopt;
  }
  bool is_signed(std::string_view text, std::string_view signature) const {
    return is_equal_constant_time(to_base64(hmac_sha1(token_.octets(), text)), signature);
  }

  std::string url_, sender_, authorization_;
  Secret token_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto base_url = base_url_of(settings, kBaseUrl);
  if (!base_url) return base_url.error();
  auto sid = setting_of(settings, "account_sid");
  auto from = setting_of(settings, "from"), service = setting_of(settings, "messaging_service_sid");
  for (char c : sid)
    if (!isalnum(static_cast<unsigned char>(c)))
      return setting_error(settings, "account_sid", "letters and digits only, as in Twilio's console: AC...");
  if (from.empty() && service.empty())
    return setting_error(settings, "from", "is missing; write a number (+15005550006) or messaging_service_sid");
  if (!from.empty() && !service.empty())
    return setting_error(settings, "from", "write this or messaging_service_sid, not both");
  return std::unique_ptr<Provider>(
      std::make_unique<Twilio>(*base_url, sid, secret_of(settings, "auth_token"), from, service));
}

}  // namespace

AdapterInfo twilio_adapter() {
  return {"twilio",
          {{"base_url"},
           {"account_sid", true},
           {"auth_token", true, true},
           {"from"},
           {"messaging_service_sid"},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
