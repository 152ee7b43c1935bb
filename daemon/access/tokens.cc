#include "daemon/access/tokens.h"

#include <algorithm>
#include <string>

#include "base/bytes.h"

namespace signet {
namespace {

constexpr std::string_view kPrefix = "sgn_";
constexpr size_t kOctets = 32;
constexpr size_t kCharacters = 43;
constexpr std::string_view kBearer = "bearer ";
constexpr int64_t kTouchEveryUs = 60'000'000;

// RFC 6750 section 3.
http::Response refuse(const http::Request& request, std::string title, std::string detail, bool was_given) {
  http::Response response = http::problem(401, "UNAUTHORIZED", std::move(title), std::move(detail), request.request_id);
  response.headers.emplace_back(
      "WWW-Authenticate", was_given ? "Bearer realm=\"signet\", error=\"invalid_token\"" : "Bearer realm=\"signet\"");
  return response;
}

bool is_bearer(std::string_view scheme) {
  return scheme.size() >= kBearer.size() &&
         std::equal(kBearer.begin(), kBearer.end(), scheme.begin(),
                    [](char want, char have) { return want == (have >= 'A' && have <= 'Z' ? have + 32 : have); });
}

}  // namespace

bool is_scope(std::string_view word) { return word == kApproveScope || word == kDeliveryScope || word == kReadScope; }

Secret make_token(Random& random) {
  std::string octets(kOctets, '\0');
  random.fill(octets.data(), octets.size());
  const Secret raw(std::move(octets));
  return Secret(std::string(kPrefix) + to_base64url(raw.octets()));
}

bool is_token(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kCharacters) return false;
  return std::all_of(text.begin() + kPrefix.size(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Digest token_digest(std::string_view token) { return sha256(token); }

std::variant<std::string_view, http::Response> bearer_of(const http::Request& request) {
  const auto header = request.header("authorization");
  if (!header)
    return refuse(request, "No token",
                  "Send your token in the header `Authorization: Bearer sgn_...`; `signetd token create` makes one.",
                  false);
  std::string_view token = *header;
  if (!is_bearer(token))
    return refuse(request, "No bearer token", "Write the header as `Authorization: Bearer sgn_...`.", false);
  token.remove_prefix(kBearer.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  if (!is_token(token))
    return refuse(request, "The token is malformed",
                  "A token is sgn_ and 43 characters: copy the whole of what `signetd token create` printed.", true);
  return token;
}

Result<std::variant<Principal, http::Response>> authenticate(const http::Request& request, std::string_view token,
                                                             PgTransaction& tx, WallTime now) {
  using Answer = std::variant<Principal, http::Response>;
  auto found = find_principal(tx, view(token_digest(token)), now);
  if (!found) return found.error();
  if (!*found)
    return Answer(refuse(request, "The token is not valid",
                         "It is unknown, has lapsed or was revoked: ask an administrator for a new one.", true));
  Principal& principal = **found;
  const auto& used = principal.token.last_used_at;
  if (!used || now.us - used->us > kTouchEveryUs) {
    if (auto touched = touch_token(tx, principal.token.id, now); !touched) return touched.error();
  }
  return Answer(std::move(principal));
}

}  // namespace signet
