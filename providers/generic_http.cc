// Any gateway that the configuration can describe: a hospital's own, or a provider that has no adapter here. Without
// a description it is this small dialect. What it can do about doubts is a setting (providers[].in_doubt), since only
// its owner knows.
//
//   POST <url><path>
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
// What people write back:
// {"type":"message.received","data":{"id":"...","from":"+15558675310","to":"...","text":"STOP"}}
#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/generic_dialect.h"
#include "providers/json_object.h"
#include "providers/retry_after.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

constexpr size_t kReplyMax = 64 * 1024;
constexpr size_t kReceiptsMax = 1000;  // of one callback
constexpr int64_t kWindowS = 300;
constexpr size_t kNonceMax = 128;

using namespace reply_class;

// A refusal is believed, an error of the server's is not: it may have acted before.
ReplyClass class_of(int status) {
  if (status == 404) return kAuth;
  if (status == 408 || status == 409 || status == 425)
    return {OutcomeKind::in_doubt, FaultScope::provider, "provider_error"};
  if (status >= 500 && status < 600 && status != 503) return kGateway;
  return class_of_http(status);
}

// One receipt of a callback, in whichever form: the text at a path, or under a name.
using Told = std::function<std::string(std::string_view)>;

std::string reference_at(const Told& told, const std::string& path) {
  auto text = path.empty() ? "" : told(path);
  return is_reference(text) ? text : "";
}

class GenericHttp : public Provider {
 public:
  explicit GenericHttp(GenericDialect dialect)
      : dialect_(std::move(dialect)), basic_(to_base64(dialect_.user + ":" + std::string(dialect_.token.octets()))) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override {
    return (kind == Kind::sms && dialect_.has_sms) || (kind == Kind::email && dialect_.has_email);
  }
  bool has_echo() const override {
    return has_receipts() &&
           (dialect_.has_callback_url || (!dialect_.receipt_echo_at.empty() && dialect_.body.has("id")));
  }
  bool has_receipts() const override { return dialect_.signature != GenericDialect::Signature::none; }
  CallbackWay callback_way() const override {
    return !has_receipts()             ? CallbackWay::none
           : dialect_.has_callback_url ? CallbackWay::message
                                       : CallbackWay::account;
  }
  bool has_key() const override {
    return dialect_.body.has("key") || std::any_of(dialect_.headers.begin(), dialect_.headers.end(),
                                                   [](auto& header) { return header.second.has("key"); });
  }
  bool has_look_up() const override { return !dialect_.look_up_url.empty(); }

  HttpRequest build(const Outbound& message) const override {
    const auto value_of = [&](std::string_view name) -> std::string {
      if (name == "to") return message.recipient.reveal();
      if (name == "to_digits") return message.recipient.reveal().substr(message.recipient.reveal().starts_with('+'));
      if (name == "text") return message.body.reveal();
      if (name == "subject") return message.subject.reveal();
      if (name == "id") return message.echo();
      if (name == "key") return message.idempotency_key;
      if (name == "kind") return std::string(signet::name(message.kind));
      if (name == "callback_url") return dialect_.has_callback_url ? message.callback_url : "";
      if (name == "from") return dialect_.from;
      if (name == "user") return dialect_.user;
      if (name == "token") return std::string(dialect_.token.octets());
      return std::string(basic_.octets());
    };
    HttpRequest request;
    request.method = dialect_.method;
    request.url = dialect_.url + dialect_.path.fill(TemplateFormat::form, value_of);
    request.headers = fixed_headers();
    request.headers.emplace_back("Content-Type", dialect_.content_type);
    for (const auto& [name, value] : dialect_.headers)
      request.headers.emplace_back(name, value.fill(TemplateFormat::plain, value_of));
    request.body = dialect_.body.fill(dialect_.format, value_of);
    return request;
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto answer = json_object_of(reply.body, kReplyMax);
    const bool is_success = reply.status >= 200 && reply.status < 300;
    const auto code = reply_text(reply, answer, dialect_.code_at);
    const auto known = dialect_.codes.find(code);
    ReplyClass what = kUnreadable;
    if (is_success) {
      const auto word = dialect_.accepted_at.empty() ? "" : reply_text(reply, answer, dialect_.accepted_at);
      const auto& words = dialect_.accepted_words;
      const bool is_taken = dialect_.accepted_at.empty() || std::find(words.begin(), words.end(), word) != words.end();
      const auto id = reply_text(reply, answer, dialect_.id_at);
      if (is_taken && !id.empty()) {
        Outcome outcome = accepted_as(id, reply);
        outcome.provider_code = code;
        return outcome;
      }
      if (!is_taken && !word.empty()) what = known == dialect_.codes.end() ? kMessage : known->second;
    } else {
      const auto status = dialect_.http_statuses.find(reply.status);
      what = status == dialect_.http_statuses.end() ? class_of(reply.status) : status->second;
      const bool is_refused = what.kind == OutcomeKind::permanent || dialect_.has_own_codes;
      if (is_refused && known != dialect_.codes.end()) what = known->second;
    }
    Outcome outcome = outcome_of(what, reply);
    outcome.provider_code = code;
    return outcome;
  }

  HttpRequest build_look_up(const Sent& sent) const override {
    HttpRequest request;
    request.method = "GET";
    request.url = dialect_.look_up_url + "?id=" + sent.echo();
    request.headers = fixed_headers();
    return request;
  }

  LookUp parse_look_up(const HttpReply& reply) const override {
    const auto answer = json_object_of(reply.body, kReplyMax);
    if (!answer || (reply.status != 200 && reply.status != 404)) return {};
    const auto status = text_at(*answer, "status");
    if (status == "unknown") return {Found::nothing, "", ""};
    if (reply.status != 200) return {};
    const auto id = reply_text(reply, answer, "id"), code = reply_text(reply, answer, "code");
    if (status == "accepted") return {Found::accepted, id, code};
    if (status == "failed") return {Found::refused, id, code};
    return {};
  }

  Verdict verify(const CallbackRequest& request) const override {
    using enum GenericDialect::Signature;
    if (dialect_.signature == none) return {false, "this provider sends no callbacks"};
    Verdict last;
    for (const auto& secret : dialect_.secrets) {
      auto verdict = dialect_.signature == standard_webhooks ? verify_webhook(secret.octets(), request)
                     : dialect_.signature == hmac            ? verify_mac(secret, request)
                                                             : verify_word(secret, request);
      if (verdict.is_genuine) return verdict;
      last = std::move(verdict);
    }
    return last;
  }

  // Whatever its callbacks are signed by, this is a Standard Webhook.
  Verdict verify_status(const CallbackRequest& request) const override {
    Verdict last{false, "webhook_secret_file of the provider is missing, or is no secret of Standard Webhooks"};
    for (const auto& key : dialect_.status_keys) {
      auto verdict = verify_webhook(key.octets(), request);
      if (verdict.is_genuine) return verdict;
      last = std::move(verdict);
    }
    return last;
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    std::vector<Receipt> out;
    auto fault = each_told(request, [&](const Told& told, size_t place, std::string part) -> std::optional<Error> {
      const auto status = told(dialect_.receipt_status_at);
      if (is_inbound(told)) return std::nullopt;
      const auto row = dialect_.receipt_statuses.find(status);
      if (row == dialect_.receipt_statuses.end()) return refuse("a status that is not in receipt_statuses");
      if (!row->second) return std::nullopt;
      Receipt receipt;
      receipt.kind = *row->second;
      receipt.provider_reference = reference_at(told, dialect_.receipt_id_at);
      receipt.provider_code = reference_at(told, dialect_.receipt_code_at);
      receipt.part = std::move(part);
      const auto echo = dialect_.receipt_echo_at.empty() ? std::nullopt : parse_echo(told(dialect_.receipt_echo_at));
      if (receipt.provider_reference.empty() && !echo) return refuse("it names no message");
      if (has_echo()) set_echo(receipt, echo ? echo : echo_in(request.public_url));
      receipt.event_id = event_of(request, told, place);
      if (receipt.event_id.empty())
        receipt.event_id =
            (receipt.message_id ? echo_of(*receipt.message_id, receipt.attempt_no) : receipt.provider_reference) + ":" +
            std::string(signet::name(receipt.kind));
      out.push_back(std::move(receipt));
      return std::nullopt;
    });
    if (fault) return *fault;
    return out;
  }

  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    std::vector<Inbound> out;
    auto fault = each_told(request, [&](const Told& told, size_t place, const std::string&) -> std::optional<Error> {
      if (!is_inbound(told)) return std::nullopt;
      auto from = e164_of(told(dialect_.inbound_from_at));
      if (from.empty()) return std::nullopt;
      auto event = event_of(request, told, place);
      if (event.empty()) event = reference_at(told, dialect_.inbound_id_at);
      if (event.empty()) return refuse("what somebody wrote has no id");
      out.push_back(
          {Phi(std::move(from)), told(dialect_.inbound_to_at), Phi(told(dialect_.inbound_text_at)), std::move(event)});
      return std::nullopt;
    });
    if (fault) return *fault;
    return out;
  }

 private:
  static Error refuse(std::string text) { return {ErrorCode::invalid, "gateway callback: " + std::move(text)}; }

  // A token goes as Bearer, unless the configuration says where else.
  std::vector<std::pair<std::string, std::string>> fixed_headers() const {
    std::vector<std::pair<std::string, std::string>> out{{"Accept", "application/json"}};
    const bool is_elsewhere =
        dialect_.body.has("token") || std::any_of(dialect_.headers.begin(), dialect_.headers.end(), [](auto& header) {
          return header.second.has("token") || header.second.has("basic");
        });
    if (!dialect_.token.is_empty() && !is_elsewhere)
      out.emplace_back("Authorization", "Bearer " + std::string(dialect_.token.octets()));
    return out;
  }

  // At a path of the answer, or of `header:name`; only what ids and codes are made of.
  static std::string reply_text(const HttpReply& reply, const std::optional<simdjson::dom::object>& answer,
                                std::string_view path) {
    constexpr std::string_view kHeader = "header:";
    auto text = path.starts_with(kHeader) ? std::string(header_of(reply, path.substr(kHeader.size())))
                : answer                  ? text_at(*answer, path)
                                          : std::string();
    return is_reference(text) ? text : "";
  }

  Verdict verify_mac(const Secret& secret, const CallbackRequest& request) const {
    auto signature = only_header(request, dialect_.signature_header);
    if (signature.empty()) return {false, "no signature header", "", true};
    if (!signature.starts_with(dialect_.signature_prefix)) return {false, "bad signature"};
    signature.remove_prefix(dialect_.signature_prefix.size());
    const auto header = [&](const std::string& name) {
      return name.empty() ? std::string() : std::string(only_header(request, name));
    };
    const auto stamp = header(dialect_.timestamp_header), nonce = header(dialect_.nonce_header);
    if (nonce.size() > kNonceMax) return {false, "bad signature"};
    const auto text = dialect_.signature_text.fill(TemplateFormat::plain, [&](std::string_view name) {
      return name == "body" ? request.body : name == "url" ? request.public_url : name == "nonce" ? nonce : stamp;
    });
    const auto octets = hmac(dialect_.hash, secret.octets(), text);
    std::string told(signature);
    if (!dialect_.is_base64)
      for (char& c : told)
        if (c >= 'A' && c <= 'F') c += 'a' - 'A';
    if (!is_equal_constant_time(told, dialect_.is_base64 ? to_base64(octets) : to_hex(octets)))
      return {false, "bad signature"};
    if (dialect_.timestamp_header.empty()) return {true, "", nonce};
    if (stamp.empty() || stamp.size() > 12 || stamp.find_first_not_of("0123456789") != std::string::npos)
      return {false, "no time stamp"};
    const int64_t age_s = request.received_at.us / 1'000'000 - std::stoll(stamp);
    return age_s > kWindowS || age_s < -kWindowS ? Verdict{false, "too old"} : Verdict{true, "", nonce};
  }

  // A word that both know, in a header: nothing is signed, and TLS is all that keeps it.
  Verdict verify_word(const Secret& secret, const CallbackRequest& request) const {
    const bool is_basic = dialect_.signature == GenericDialect::Signature::basic;
    const auto told = only_header(request, is_basic ? std::string_view("authorization") : dialect_.signature_header);
    if (told.empty()) return {false, is_basic ? "no password" : "no signature header", "", true};
    const auto expected = is_basic ? "Basic " + to_base64(dialect_.user + ":" + std::string(secret.octets()))
                                   : dialect_.signature_prefix + std::string(secret.octets());
    return is_equal_constant_time(told, expected) ? Verdict{true, ""} : Verdict{false, "bad signature"};
  }

  bool is_inbound(const Told& told) const { return told(dialect_.inbound_kind_at) == dialect_.inbound_kind; }

  // Its own, or the webhook's; each of a batch has one.
  std::string event_of(const CallbackRequest& request, const Told& told, size_t place) const {
    auto event = reference_at(told, dialect_.receipt_event_at);
    if (event.empty() && dialect_.signature == GenericDialect::Signature::standard_webhooks)
      event = webhook_id(request) + (place > 0 ? ":" + std::to_string(place) : "");
    return event;
  }

  // What a callback tells, one by one, until one is at fault.
  std::optional<Error> each_told(
      const CallbackRequest& request,
      const std::function<std::optional<Error>(const Told& told, size_t place, std::string part)>& take) const {
    if (!has_receipts()) return refuse("this provider sends none");
    if (dialect_.is_form || request.method == "GET") {
      const auto fields = fields_of(request);
      if (!fields) return refuse("not a form");
      return take([&](std::string_view name) { return field_of(*fields, name); }, 0, "");
    }
    auto element = json_of(request.body);
    simdjson::dom::object object;
    simdjson::dom::array batch;
    if (!element) return refuse("not JSON");
    if (!dialect_.receipts_at.empty()) {
      if (element->get(object)) return refuse("not a JSON object");
      element = element_at(object, dialect_.receipts_at);
      if (!element) return refuse("nothing at receipts_at");
    }
    const auto told = [&](std::string_view path) { return text_at(object, path, kJsonMax); };
    if (element->get(batch)) {
      if (element->get(object)) return refuse("not a JSON object");
      return take(told, 0, "");
    }
    if (batch.size() == 0 || batch.size() > kReceiptsMax) return refuse("none, or more than 1000 at once");
    size_t place = 0;
    for (const auto& one : batch) {
      if (one.get(object)) return refuse("a receipt that is not a JSON object");
      if (auto fault = take(told, place++, simdjson::minify(one))) return fault;
    }
    return std::nullopt;
  }

  GenericDialect dialect_;
  Secret basic_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto dialect = read_generic_dialect(settings);
  if (!dialect) return dialect.error();
  return std::unique_ptr<Provider>(std::make_unique<GenericHttp>(std::move(*dialect)));
}

}  // namespace

AdapterInfo generic_http_adapter() { return {"generic_http", generic_settings(), make}; }

}  // namespace signet
