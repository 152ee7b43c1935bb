#include "providers/standard_webhook.h"

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {

Result<std::string> webhook_key(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (secret.starts_with(kPrefix)) secret.remove_prefix(kPrefix.size());
  auto key = from_base64(secret);
  if (!key || key->size() < 24 || key->size() > 64)
    return Error{ErrorCode::invalid,
                 "is no webhook secret: write 24 to 64 octets in base64, as `openssl rand -base64 32` does"};
  return key;
}

std::vector<std::pair<std::string, std::string>> webhook_headers(std::string_view key, std::string_view id, WallTime at,
                                                                 std::string_view body) {
  const std::string timestamp = std::to_string(at.us / 1'000'000);
  const std::string content = std::string(id) + '.' + timestamp + '.' + std::string(body);
  return {{"webhook-id", std::string(id)},
          {"webhook-timestamp", timestamp},
          {"webhook-signature", "v1," + to_base64(view(hmac_sha256(key, content)))}};
}

}  // namespace signet
