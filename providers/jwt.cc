#include "providers/jwt.h"

#include <simdjson.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "providers/json_object.h"

namespace signet {
namespace {

constexpr size_t kTokenMax = 8192;

}  // namespace

Result<std::string> make_rs256_token(const RsaSigningKey& key, std::string_view claims) {
  std::string token = to_base64url(R"({"alg":"RS256","typ":"JWT"})") + "." + to_base64url(claims);
  auto signature = key.sign(WebhookHash::sha256, token);
  if (!signature) return signature.error();
  return token + "." + to_base64url(*signature);
}

Result<std::string> open_hs256_token(std::string_view token, std::string_view secret) {
  const Error refused{ErrorCode::invalid, "not a token that was signed with this secret"};
  const auto first = token.find('.'), last = token.rfind('.');
  if (token.size() > kTokenMax || first == token.npos || first == last) return refused;
  const auto signature = from_base64url(token.substr(last + 1));
  const auto expected = hmac_sha256(secret, token.substr(0, last));
  if (!signature || !is_equal_constant_time(*signature, view(expected))) return refused;
  const auto header = from_base64url(token.substr(0, first));
  const auto object = header ? json_object_of(*header, kTokenMax) : std::nullopt;
  // `crit` names what a reader must understand (RFC 7515 section 4.1.11), and we understand nothing of the kind.
  if (!object || text_at(*object, "alg") != "HS256" || element_at(*object, "crit")) return refused;
  return from_base64url(token.substr(first + 1, last - first - 1));
}

}  // namespace signet
