#include "providers/generic_dialect.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "providers/json_object.h"
#include "providers/settings.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

using namespace reply_class;

constexpr std::string_view kBody = R"({"id":"{id}","kind":"{kind}","to":"{to}","subject":"{subject}","text":"{text}"})";
constexpr std::string_view kBodyWithCallback =
    R"({"id":"{id}","kind":"{kind}","to":"{to}","subject":"{subject}","text":"{text}","callbackUrl":"{callback_url}"})";

constexpr struct {
  const char* word;
  ReplyClass what;
} kClasses[] = {{"throttled", kThrottled},
                {"sender_throttled", kSenderThrottled},
                {"provider_error", kProviderError},
                {"recipient_unreachable", kUnreachable},
                {"auth_failed", kAuth},
                {"account_refused", kAccount},
                {"sender_refused", kSender},
                {"unknown_recipient", kNoRecipient},
                {"recipient_refused", kRecipient},
                {"message_refused", kMessage},
                {"opted_out", kOptedOut},
                {"in_doubt", kDoubt}};

using Words = std::vector<std::string>;

Words parts_of(std::string_view text, std::string_view separator) {
  Words out;
  while (!text.empty()) {
    auto one = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(one.size() + separator.size(), text.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty()) out.emplace_back(one);
  }
  return out;
}

bool is_header_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return text;
}

// One entry of the configuration, read in order; the first fault stands.
class Reader {
 public:
  explicit Reader(const ProviderSettings& settings) : settings_(settings) {}

  Result<GenericDialect> read() {
    read_request();
    read_body();
    read_reply();
    read_signature();
    read_receipts();
    if (fault_) return *fault_;
    return std::move(out_);
  }

 private:
  std::string text(const std::string& key, std::string_view fallback = "") const {
    return setting_of(settings_, key, fallback);
  }
  void refuse(std::string_view key, std::string_view why) {
    if (!fault_) fault_ = setting_error(settings_, key, why);
  }
  std::string one_of(const std::string& key, const Words& words) {
    auto value = text(key, words.front());
    if (std::find(words.begin(), words.end(), value) != words.end()) return value;
    std::string known;
    for (const auto& word : words) known += (known.empty() ? "" : ", ") + word;
    refuse(key, "write one of these: " + known);
    return words.front();
  }
  Template filled_in(const std::string& key, std::string_view value, const std::set<std::string>& names) {
    auto made = Template::parse(value, names);
    if (made) return std::move(*made);
    refuse(key, made.error().text);
    return {};
  }
  std::string url(const std::string& key) {
    auto checked = checked_url(settings_, key, text(key));
    if (checked) return *checked;
    if (!fault_) fault_ = checked.error();
    return "";
  }
  // `name=word, name=word`: what is on the left, and what of the right is known.
  template <class Value>
  void pairs(const std::string& key, const std::string& value, const std::map<std::string, Value>& words,
             const std::function<void(const std::string& name, const Value& value)>& take) {
    for (const auto& pair : parts_of(value, ",")) {
      const auto equals = pair.rfind('=');
      const auto found = equals == pair.npos ? words.end() : words.find(pair.substr(equals + 1));
      if (found == words.end() || equals == 0) {
        std::string known;
        for (const auto& [word, unused] : words) known += (known.empty() ? "" : ", ") + word;
        refuse(key, "\"" + pair + "\" is not theirs=ours; ours is one of these: " + known);
        return;
      }
      take(pair.substr(0, equals), found->second);
    }
  }

  void read_request() {
    out_.method = one_of("method", {"POST", "PUT", "PATCH"});  // a GET would carry the patient in its URL
    out_.url = url("url");
    out_.path = filled_in("path", text("path"), {"id", "key", "user"});
    if (const auto path = text("path"); !path.empty() && !path.starts_with('/')) refuse("path", "begin it with /");
    for (const char c : text("path"))
      if (c <= ' ' || c == 0x7f || static_cast<unsigned char>(c) > 0x7f || c == '#')
        refuse("path", "write path and query without spaces, octets over 127 and #");
    out_.from = text("from");
    out_.user = text("user");
    auto token = header_secret_of(settings_, "token");
    if (token)
      out_.token = Secret(*token);
    else if (!fault_)
      fault_ = token.error();
    if (!text("look_up_url").empty()) out_.look_up_url = url("look_up_url");
    const std::set<std::string> forbidden{"host", "content-length", "content-type", "transfer-encoding", "connection"};
    for (const auto& line : parts_of(text("headers", "Idempotency-Key: {key}"), "|")) {
      const auto colon = std::min(line.find(':'), line.size());
      const auto name = line.substr(0, colon);
      if (!is_header_name(name) || colon == line.size() || forbidden.contains(lower(name))) {
        refuse("headers", "write Name: value, a | between two; content_type has a key of its own");
        return;
      }
      const auto value = line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
      out_.headers.emplace_back(name,
                                filled_in("headers", value, {"id", "key", "kind", "from", "user", "token", "basic"}));
    }
    out_.has_sms = out_.has_email = false;
    for (const auto& kind : parts_of(text("kinds", "sms, email"), ",")) {
      if (kind == "sms")
        out_.has_sms = true;
      else if (kind == "email")
        out_.has_email = true;
      else
        refuse("kinds", "write sms, email, or both");
    }
  }

  void read_body() {
    const bool is_echoing = one_of("echo", {"true", "false"}) == "true";
    const bool has_receipts = !secrets_of(settings_, "webhook_secret").empty();
    out_.content_type = text("content_type", "application/json");
    const auto type = lower(out_.content_type.substr(0, out_.content_type.find(';')));
    if (type == "application/json" || type.ends_with("+json"))
      out_.format = TemplateFormat::json;
    else if (type == "application/x-www-form-urlencoded")
      out_.format = TemplateFormat::form;
    else if (type == "application/xml" || type == "text/xml" || type.ends_with("+xml"))
      out_.format = TemplateFormat::xml;
    else
      refuse("content_type", "write a type of JSON, XML or application/x-www-form-urlencoded");
    out_.body =
        filled_in("body", text("body", is_echoing && has_receipts ? kBodyWithCallback : kBody),
                  {"to", "to_digits", "text", "subject", "from", "id", "key", "kind", "callback_url", "user", "token"});
    if (!out_.body.has("to") && !out_.body.has("to_digits")) refuse("body", "has no {to}, so that nobody would get it");
    if (!out_.body.has("text")) refuse("body", "has no {text}, so that nothing would be said");
    if (out_.format == TemplateFormat::json &&
        !nlohmann::json::accept(out_.body.fill(TemplateFormat::json, [](auto) { return "1"; })))
      refuse("body", "is not JSON; set places in quotes: \"{to}\"");
    out_.has_callback_url = is_echoing && has_receipts && out_.body.has("callback_url");
  }

  void read_reply() {
    out_.id_at = text("id_at", "id");
    out_.code_at = text("code_at", "code");
    if (const auto when = text("accepted_when"); !when.empty()) {
      const auto equals = when.find('=');
      if (equals == when.npos || equals == 0) return refuse("accepted_when", "write member=word, or member=word|word");
      out_.accepted_at = when.substr(0, equals);
      out_.accepted_words = parts_of(std::string_view(when).substr(equals + 1), "|");
      if (out_.accepted_words.empty()) refuse("accepted_when", "has no word behind the =");
    }
    std::map<std::string, ReplyClass> classes;
    for (const auto& row : kClasses) classes.emplace(row.word, row.what);
    out_.has_own_codes = !text("codes").empty();
    pairs<ReplyClass>("codes", text("codes", "opted_out=opted_out, unknown_recipient=unknown_recipient"), classes,
                      [this](const auto& code, const auto& what) { out_.codes.insert_or_assign(code, what); });
    pairs<ReplyClass>("http_statuses", text("http_statuses"), classes, [this](const auto& name, const auto& what) {
      int status = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), status);
      if (error != std::errc() || end != name.data() + name.size() || status < 300 || status > 599)
        return refuse("http_statuses", "write statuses from 300 to 599: 409=in_doubt");
      out_.http_statuses.insert_or_assign(status, what);
    });
  }

  void read_signature() {
    using enum GenericDialect::Signature;
    const auto scheme =
        one_of("signature", {"standard_webhooks", "hmac_sha256", "hmac_sha1", "hmac_sha512", "header", "basic"});
    out_.signature_header = lower(text("signature_header"));
    out_.signature_prefix = text("signature_prefix");
    out_.timestamp_header = lower(text("timestamp_header"));
    out_.nonce_header = lower(text("nonce_header"));
    out_.is_base64 = one_of("signature_encoding", {"hex", "base64"}) == "base64";
    out_.signature_text =
        filled_in("signature_text", text("signature_text", "{body}"), {"body", "timestamp", "nonce", "url"});
    for (const auto secret : secrets_of(settings_, "webhook_secret")) {
      auto key = webhook_key(secret);
      if (key)
        out_.status_keys.emplace_back(*key);
      else if (scheme == "standard_webhooks")
        return refuse("webhook_secret_file", key.error().text);
      out_.secrets.emplace_back(scheme == "standard_webhooks" ? *key : std::string(secret));
    }
    if (out_.secrets.empty()) return;
    out_.signature = standard_webhooks;
    if (scheme == "standard_webhooks") return;
    if (scheme == "basic") {
      out_.signature = basic;
      if (out_.user.empty()) refuse("user", "is missing: whose name its callbacks bring with webhook_secret_file");
      return;
    }
    if (!is_header_name(out_.signature_header))
      return refuse("signature_header", "is missing: which header the signature is in");
    out_.signature = scheme == "header" ? header : hmac;
    if (scheme == "header") return;
    out_.hash = scheme == "hmac_sha1"     ? WebhookHash::sha1
                : scheme == "hmac_sha512" ? WebhookHash::sha512
                                          : WebhookHash::sha256;
    if (!out_.signature_text.has("body")) refuse("signature_text", "has no {body}: the signature would cover nothing");
    if (out_.signature_text.has("timestamp") != !out_.timestamp_header.empty())
      refuse("timestamp_header", "goes with {timestamp} in signature_text");
    if (out_.signature_text.has("nonce") != !out_.nonce_header.empty())
      refuse("nonce_header", "goes with {nonce} in signature_text");
  }

  void read_receipts() {
    out_.is_form = one_of("receipt_format", {"json", "form"}) == "form";
    out_.receipts_at = text("receipts_at");
    out_.receipt_id_at = text("receipt_id_at", "data.id");
    out_.receipt_status_at = text("receipt_status_at", "type");
    out_.receipt_code_at = text("receipt_code_at", "data.code");
    out_.receipt_event_at = text("receipt_event_at");
    out_.receipt_echo_at = text("receipt_echo_at");
    const auto when = text("inbound_when", "type=message.received");
    const auto equals = std::min(when.find('='), when.size());
    out_.inbound_kind_at = when.substr(0, equals);
    out_.inbound_kind = when.substr(std::min(equals + 1, when.size()));
    if (out_.inbound_kind_at.empty() || out_.inbound_kind.empty()) refuse("inbound_when", "write member=word");
    out_.inbound_id_at = text("inbound_id_at", "data.id");
    out_.inbound_from_at = text("inbound_from_at", "data.from");
    out_.inbound_to_at = text("inbound_to_at", "data.to");
    out_.inbound_text_at = text("inbound_text_at", "data.text");
    std::map<std::string, std::optional<ReceiptKind>> kinds{{"ignored", std::nullopt}};
    std::string usual;
    for (const auto kind : {ReceiptKind::queued, ReceiptKind::sent, ReceiptKind::delivered, ReceiptKind::failed,
                            ReceiptKind::bounced, ReceiptKind::complained, ReceiptKind::opted_out}) {
      kinds.emplace(name(kind), kind);
      usual += "message." + std::string(name(kind)) + "=" + std::string(name(kind)) + ",";
    }
    pairs<std::optional<ReceiptKind>>(
        "receipt_statuses", text("receipt_statuses", usual), kinds,
        [this](const auto& word, const auto& kind) { out_.receipt_statuses.insert_or_assign(word, kind); });
  }

  const ProviderSettings& settings_;
  GenericDialect out_;
  std::optional<Error> fault_;
};

}  // namespace

const std::vector<Setting>& generic_settings() {
  static const std::vector<Setting> all{{"url", true},
                                        {"method"},
                                        {"path"},
                                        {"headers"},
                                        {"content_type"},
                                        {"body"},
                                        {"kinds"},
                                        {"from"},
                                        {"user"},
                                        {"token", false, true},
                                        {"echo"},
                                        {"id_at"},
                                        {"code_at"},
                                        {"accepted_when"},
                                        {"codes"},
                                        {"http_statuses"},
                                        {"look_up_url"},
                                        {"webhook_secret", false, true},
                                        {"signature"},
                                        {"signature_header"},
                                        {"signature_prefix"},
                                        {"signature_encoding"},
                                        {"signature_text"},
                                        {"timestamp_header"},
                                        {"nonce_header"},
                                        {"receipt_format"},
                                        {"receipts_at"},
                                        {"receipt_id_at"},
                                        {"receipt_status_at"},
                                        {"receipt_code_at"},
                                        {"receipt_event_at"},
                                        {"receipt_echo_at"},
                                        {"receipt_statuses"},
                                        {"inbound_when"},
                                        {"inbound_id_at"},
                                        {"inbound_from_at"},
                                        {"inbound_to_at"},
                                        {"inbound_text_at"},
                                        {"proxy"},
                                        {"ca_file"}};
  return all;
}

Result<GenericDialect> read_generic_dialect(const ProviderSettings& settings) { return Reader(settings).read(); }

}  // namespace signet
