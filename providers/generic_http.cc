// Any gateway that speaks this small dialect: a hospital's own, or a few lines in front of what it has. What it can do
// about doubts is a setting (providers[].in_doubt), since only its owner knows.
//
//   POST <url>
//   Authorization: Bearer <token>          if there is a token_file
//   Idempotency-Key: 0193b3c4-....1.0      of the message, its version and its requeues
//   {"id":"0193b3c4-....1","kind":"sms","to":"+15558675310","subject":"","text":"hi",
//    "callbackUrl":"https://ex.test/..."}
//
//   2xx {"id":"<the gateway's own>"}       it has the message; a repeat of a key is answered as the first was
//   429, 503                               it has not, and may later; Retry-After is obeyed
//   4xx {"code":"unknown_recipient"}       it has not and never will; `opted_out` suppresses the recipient
//   anything else                          nobody knows
//
//   GET <look_up_url>?id=0193b3c4-....1    in_doubt: queryable
//   200 {"status":"accepted","id":"..."}   or "failed" with a "code"
//   200, 404 {"status":"unknown"}          it never saw this id, and will not act on it any more
//
// Receipts are Standard Webhooks 1.0.0 at callbackUrl, or without `echo` at a URL that the gateway was given once:
//   {"type":"message.delivered","data":{"id":"<the gateway's own>","code":""}}
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.h"
#include "providers/provider.h"
#include "providers/retry_after.h"
#include "providers/settings.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

constexpr size_t kReplyMax = 64 * 1024;
constexpr size_t kNameMax = 128;  // of the gateway's ids and codes

struct Class {
  OutcomeKind kind;
  FaultScope scope;
  const char* reason;
  bool is_throttled = false;
};

// A refusal is believed, an error of the server's is not: it may have acted before.
Class class_of(int status) {
  if (status == 429) return {OutcomeKind::retryable, FaultScope::account, "throttled", true};
  if (status == 503) return {OutcomeKind::retryable, FaultScope::provider, "provider_error"};
  if (status == 401 || status == 403 || status == 404)
    return {OutcomeKind::retryable, FaultScope::account, "auth_failed"};
  if (status == 408 || status == 409 || status == 425)
    return {OutcomeKind::in_doubt, FaultScope::provider, "provider_error"};
  if (status >= 300 && status < 400) return {OutcomeKind::retryable, FaultScope::account, "unexpected_redirect"};
  if (status >= 400 && status < 500) return {OutcomeKind::permanent, FaultScope::message, "message_refused"};
  if (status >= 500 && status < 600) return {OutcomeKind::in_doubt, FaultScope::provider, "gateway_error"};
  return {OutcomeKind::in_doubt, FaultScope::provider, "unreadable_reply"};
}

constexpr struct {
  const char* word;
  ReceiptKind kind;
} kTypes[] = {{"message.queued", ReceiptKind::queued},       {"message.sent", ReceiptKind::sent},
              {"message.delivered", ReceiptKind::delivered}, {"message.failed", ReceiptKind::failed},
              {"message.bounced", ReceiptKind::bounced},     {"message.complained", ReceiptKind::complained},
              {"message.opted_out", ReceiptKind::opted_out}};

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
           c == '.' || c == ':';
  });
}

// The members that are names; of others, and of one that is repeated, nothing is taken.
struct Answer {
  std::string id, code, status;
};
bool take(simdjson::dom::object object, Answer& answer) {
  unsigned seen = 0;
  for (auto [name, value] : object) {
    std::string* into = name == "id" ? &answer.id : name == "code" ? &answer.code : nullptr;
    unsigned member = name == "id" ? 1 : name == "code" ? 2 : 0;
    if (name == "status") into = &answer.status, member = 4;
    if (seen & member) return false;
    seen |= member;
    std::string_view text;
    if (into && !value.get(text) && is_name(text)) *into = text;
  }
  return true;
}
std::optional<simdjson::dom::object> object_of(std::string_view body) {
  if (body.empty() || body.size() > kReplyMax) return std::nullopt;
  thread_local simdjson::dom::parser parser(kReplyMax);
  simdjson::dom::object object;
  // `true`: copies the body, which has not the padding that simdjson reads beyond the end.
  if (parser.parse(body.data(), body.size(), true).get(object)) return std::nullopt;
  return object;
}
std::optional<Answer> read_answer(std::string_view body) {
  auto object = object_of(body);
  Answer answer;
  if (!object || !take(*object, answer)) return std::nullopt;
  return answer;
}

// `...?m=ID.N`, as we gave it.
std::optional<Echo> echo_in(std::string_view url) {
  const auto mark = url.rfind("?m=");
  return mark == url.npos ? std::nullopt : parse_echo(url.substr(mark + 3));
}

class GenericHttp : public Provider {
 public:
  struct Parts {
    std::string url, look_up_url, token, webhook_key;
    bool has_echo = true;
  };
  explicit GenericHttp(Parts parts) : parts_(std::move(parts)), webhook_key_(std::move(parts_.webhook_key)) {
    if (!parts_.token.empty()) authorization_.emplace("Bearer " + std::exchange(parts_.token, {}));
  }

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind != Kind::letter; }
  bool has_echo() const override { return has_receipts() && parts_.has_echo; }
  bool has_receipts() const override { return !webhook_key_.is_empty(); }
  bool has_key() const override { return true; }
  bool has_look_up() const override { return !parts_.look_up_url.empty(); }

  HttpRequest build(const Outbound& message) const override {
    HttpRequest request;
    request.url = parts_.url;
    request.headers = headers();
    request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("Idempotency-Key", message.idempotency_key);
    nlohmann::ordered_json body{{"id", message.echo()},
                                {"kind", std::string(name(message.kind))},
                                {"to", message.recipient.reveal()},
                                {"subject", message.subject.reveal()},
                                {"text", message.body.reveal()}};
    if (has_echo()) body["callbackUrl"] = message.callback_url;
    request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto answer = read_answer(reply.body);
    Outcome outcome;
    outcome.status_code = reply.status;
    if (answer) outcome.provider_code = answer->code;
    if (reply.status >= 200 && reply.status < 300 && answer && !answer->id.empty()) {
      outcome.kind = OutcomeKind::accepted;
      outcome.provider_reference = answer->id;
      return outcome;
    }
    const Class what = class_of(reply.status);
    outcome.kind = what.kind;
    outcome.scope = what.scope;
    outcome.reason = what.reason;
    outcome.is_throttled = what.is_throttled;
    if (what.kind == OutcomeKind::permanent && answer) {
      if (answer->code == "opted_out") outcome.is_opted_out = true;
      if (answer->code == "opted_out" || answer->code == "unknown_recipient") {
        outcome.scope = FaultScope::recipient;
        outcome.reason = answer->code;
      }
    }
    if (what.kind == OutcomeKind::retryable) outcome.retry_after_ms = retry_after_ms(reply);
    return outcome;
  }

  HttpRequest build_look_up(const Sent& sent) const override {
    HttpRequest request;
    request.method = "GET";
    request.url = parts_.look_up_url + "?id=" + sent.echo();
    request.headers = headers();
    return request;
  }

  LookUp parse_look_up(const HttpReply& reply) const override {
    const auto answer = read_answer(reply.body);
    if (!answer || (reply.status != 200 && reply.status != 404)) return {};
    if (answer->status == "unknown") return {Found::nothing, "", ""};
    if (reply.status != 200) return {};
    if (answer->status == "accepted") return {Found::accepted, answer->id, answer->code};
    if (answer->status == "failed") return {Found::refused, answer->id, answer->code};
    return {};
  }

  Verdict verify(const CallbackRequest& request) const override {
    if (!has_receipts()) return {false, "this provider sends no callbacks"};
    return verify_webhook(webhook_key_.octets(), request);
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    auto refuse = [](std::string text) { return Error{ErrorCode::invalid, "gateway callback: " + std::move(text)}; };
    if (!has_receipts()) return refuse("this provider sends none");
    auto object = object_of(request.body);
    std::string_view type;
    simdjson::dom::object data;
    Answer answer;
    if (!object || (*object)["type"].get(type) || (*object)["data"].get(data) || !take(data, answer))
      return refuse("not an object with type and data");
    const auto row = std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& r) { return type == r.word; });
    if (row == std::end(kTypes)) return refuse("a type that is not in the table");
    Receipt receipt;
    receipt.kind = row->kind;
    receipt.provider_reference = answer.id;
    receipt.provider_code = answer.code;
    receipt.event_id = webhook_id(request);
    if (has_echo()) {
      if (auto echo = echo_in(request.public_url)) {
        receipt.message_id = echo->message_id;
        receipt.attempt_no = echo->attempt_no;
      }
    }
    if (!receipt.message_id && receipt.provider_reference.empty()) return refuse("it names no message");
    return std::vector{receipt};
  }

 private:
  std::vector<std::pair<std::string, std::string>> headers() const {
    std::vector<std::pair<std::string, std::string>> out{{"Accept", "application/json"}};
    if (authorization_) out.emplace_back("Authorization", std::string(authorization_->octets()));
    return out;
  }

  Parts parts_;
  std::optional<Secret> authorization_;
  Secret webhook_key_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  GenericHttp::Parts parts;
  auto url = checked_url(settings, "url", setting_of(settings, "url"));
  if (!url) return url.error();
  parts.url = *url;
  if (const auto look_up = setting_of(settings, "look_up_url"); !look_up.empty()) {
    auto checked = checked_url(settings, "look_up_url", look_up);
    if (!checked) return checked.error();
    parts.look_up_url = *checked;
  }
  parts.token = secret_of(settings, "token");
  if (std::any_of(parts.token.begin(), parts.token.end(), [](char c) { return c <= ' ' || c == 0x7f; }))
    return setting_error(settings, "token_file", "holds a space or a line's end");
  if (const auto secret = secret_of(settings, "webhook_secret"); !secret.empty()) {
    auto key = webhook_key(secret);
    if (!key) return setting_error(settings, "webhook_secret_file", key.error().text);
    parts.webhook_key = std::move(*key);
  }
  const auto echo = setting_of(settings, "echo", "true");
  if (echo != "true" && echo != "false") return setting_error(settings, "echo", "write true or false");
  parts.has_echo = echo == "true";
  return std::unique_ptr<Provider>(std::make_unique<GenericHttp>(std::move(parts)));
}

}  // namespace

AdapterInfo generic_http_adapter() {
  return {"generic_http",
          {{"url", true},
           {"look_up_url"},
           {"token", false, true},
           {"webhook_secret", false, true},
           {"echo"},
           {"proxy"},
           {"ca_file"}},
          make};
}

}  // namespace signet
