#include "providers/sns.h"

#include <simdjson.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/webhook_crypto.h"
#include "providers/json_object.h"

namespace signet {
namespace {

constexpr size_t kUrlMax = 2048;

std::optional<std::string> member_of(simdjson::dom::object object, const char* name) {
  std::string_view text;
  if (object[name].get(text)) return std::nullopt;
  return std::string(text);
}

// `Key\nValue\n`, sorted by the keys' octets.
std::string signed_text(const SnsMessage& message) {
  std::string out;
  auto add = [&out](const char* key, const std::string& value) { out.append(key).append("\n").append(value) += '\n'; };
  add("Message", message.message);
  add("MessageId", message.message_id);
  if (message.type == "Notification") {
    if (message.subject) add("Subject", *message.subject);
  } else {
    add("SubscribeURL", message.subscribe_url);
  }
  add("Timestamp", message.timestamp);
  if (message.type != "Notification") add("Token", message.token);
  add("TopicArn", message.topic_arn);
  add("Type", message.type);
  return out;
}

// sns.REGION.amazonaws.com, in China sns.REGION.amazonaws.com.cn
bool is_sns_host(std::string_view host) {
  if (!host.starts_with("sns.")) return false;
  host.remove_prefix(4);
  if (host.ends_with(".cn")) host.remove_suffix(3);
  constexpr std::string_view kDomain = ".amazonaws.com";
  if (!host.ends_with(kDomain)) return false;
  host.remove_suffix(kDomain.size());
  return host.size() >= 3 && std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
         });
}

}  // namespace

std::optional<SnsMessage> read_sns(std::string_view body) {
  const auto object = json_object_of(body);
  if (!object) return std::nullopt;
  SnsMessage out;
  const std::pair<const char*, std::string*> members[] = {
      {"Type", &out.type},           {"MessageId", &out.message_id}, {"TopicArn", &out.topic_arn},
      {"Timestamp", &out.timestamp}, {"Message", &out.message},
  };
  for (const auto& [name, into] : members) {
    auto text = member_of(*object, name);
    if (!text) return std::nullopt;
    *into = std::move(*text);
  }
  out.subject = member_of(*object, "Subject");
  out.signature_version = member_of(*object, "SignatureVersion").value_or("");
  out.signature = member_of(*object, "Signature").value_or("");
  out.certificate_url = member_of(*object, "SigningCertURL").value_or("");
  if (out.type == "Notification") return out;
  if (out.type != "SubscriptionConfirmation" && out.type != "UnsubscribeConfirmation") return std::nullopt;
  auto token = member_of(*object, "Token"), url = member_of(*object, "SubscribeURL");
  if (!token || !url) return std::nullopt;
  out.token = std::move(*token);
  out.subscribe_url = std::move(*url);
  return out;
}

SnsSubscriber::SnsSubscriber(std::vector<std::string> topics, std::string origin)
    : topics_(std::move(topics)), origin_(std::move(origin)) {}

bool SnsSubscriber::is_ours(std::string_view topic_arn) const {
  return std::find(topics_.begin(), topics_.end(), topic_arn) != topics_.end();
}

bool SnsSubscriber::is_of_sns(std::string_view url) const {
  // What two readers of a URL could take differently is no URL here.
  const bool is_plain = std::all_of(url.begin(), url.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '\\' && c != '@' && c != '#' && c != '"' && c != '<' && c != '>';
  });
  if (!is_plain || url.size() > kUrlMax) return false;
  if (!origin_.empty() && url.starts_with(origin_) && url.substr(origin_.size()).starts_with('/')) return true;
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const auto slash = url.find('/');
  return slash != url.npos && is_sns_host(url.substr(0, slash));
}

bool SnsSubscriber::is_certificate_url(std::string_view url) const {
  return is_of_sns(url) && url.ends_with(".pem") && url.find('?') == url.npos;
}

std::vector<std::string> SnsSubscriber::wants(const CallbackRequest& request) const {
  const auto message = read_sns(request.body);
  if (!message || !is_ours(message->topic_arn) || !is_certificate_url(message->certificate_url)) return {};
  return {message->certificate_url};
}

Verdict SnsSubscriber::verify(const CallbackRequest& request) const {
  const auto message = read_sns(request.body);
  if (!message) return {false, "not a message of SNS", "", true};
  if (message->signature.empty()) return {false, "no signature", "", true};
  if (!is_ours(message->topic_arn)) return {false, "a topic that is not in topic_arn"};
  if (message->signature_version != "1" && message->signature_version != "2")
    return {false, "a signature version that is not 1 or 2"};
  if (!is_certificate_url(message->certificate_url)) return {false, "a certificate that is not of SNS"};
  const auto certificate = request.fetched.find(message->certificate_url);
  if (certificate == request.fetched.end()) return {false, "the certificate is not to be had"};
  const auto key = RsaVerifyKey::from_certificate(certificate->second);
  if (!key) return {false, "an unreadable certificate"};
  const auto signature = from_base64(message->signature);
  const auto hash = message->signature_version == "1" ? WebhookHash::sha1 : WebhookHash::sha256;
  if (!signature || !key->verify(hash, signed_text(*message), *signature)) return {false, "bad signature"};
  return {true, ""};
}

std::optional<HttpRequest> SnsSubscriber::confirmation(const CallbackRequest& request) const {
  const auto message = read_sns(request.body);
  if (!message || message->type != "SubscriptionConfirmation" || !is_ours(message->topic_arn) ||
      !is_of_sns(message->subscribe_url))
    return std::nullopt;
  HttpRequest out;
  out.method = "GET";
  out.url = message->subscribe_url;
  return out;
}

}  // namespace signet
