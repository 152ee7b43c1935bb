#include "providers/standard_webhook.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/callback_form.h"
#include "providers/reply_class.h"

namespace signet {
namespace {

constexpr int64_t kToleranceS = 300;
constexpr size_t kIdMax = 256;

std::string signature_of(std::string_view key, std::string_view id, std::string_view timestamp, std::string_view body) {
  std::string content;
  content.reserve(id.size() + timestamp.size() + body.size() + 2);
  content.append(id).append(".").append(timestamp).append(".").append(body);
  return "v1," + to_base64(view(hmac_sha256(key, content)));
}

}  // namespace

Result<std::string> webhook_key(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (secret.starts_with(kPrefix)) secret.remove_prefix(kPrefix.size());
  std::string padded(secret);
  while (padded.size() % 4 != 0) padded += '=';
  auto key = from_base64(padded);
  if (!key || key->size() < 24 || key->size() > 64)
    return Error{ErrorCode::invalid,
                 "is no webhook secret: write 24 to 64 octets in base64, as `openssl rand -base64 32` does"};
  return key;
}

std::vector<std::pair<std::string, std::string>> webhook_headers(std::string_view key, std::string_view id, WallTime at,
                                                                 std::string_view body) {
  const std::string timestamp = std::to_string(at.us / 1'000'000);
  return {{"webhook-id", std::string(id)},
          {"webhook-timestamp", timestamp},
          {"webhook-signature", signature_of(key, id, timestamp, body)}};
}

std::string webhook_id(const CallbackRequest& request, std::string_view prefix) {
  const std::string id(only_header(request, std::string(prefix) + "id"));
  return id.empty() || is_reference(id) ? id : to_hex(view(sha256(id)));
}

Verdict verify_webhook(std::string_view key, const CallbackRequest& request, std::string_view prefix) {
  const auto id = only_header(request, std::string(prefix) + "id");
  const auto timestamp = only_header(request, std::string(prefix) + "timestamp");
  auto signatures = only_header(request, std::string(prefix) + "signature");
  if (signatures.empty()) return {false, "no signature header", "", true};
  if (id.empty() || id.size() > kIdMax) return {false, "no webhook id"};
  int64_t at_s = 0;
  const auto [end, error] = std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), at_s);
  if (timestamp.empty() || error != std::errc() || end != timestamp.data() + timestamp.size())
    return {false, "no time stamp"};
  if (const int64_t age_s = request.received_at.us / 1'000'000 - at_s; age_s > kToleranceS || age_s < -kToleranceS)
    return {false, "too old"};
  const std::string expected = signature_of(key, id, timestamp, request.body);
  // All of them, so that the time it takes does not tell which one fits.
  bool is_signed = false;
  while (!signatures.empty()) {
    const auto one = signatures.substr(0, signatures.find(' '));
    signatures.remove_prefix(std::min(one.size() + 1, signatures.size()));
    is_signed = is_equal_constant_time(one, expected) || is_signed;
  }
  return is_signed ? Verdict{true, ""} : Verdict{false, "bad signature"};
}

}  // namespace signet
