#include "daemon/access/sessions.h"

#include <algorithm>

#include "base/bytes.h"

namespace signet {
namespace {

constexpr std::string_view kCookie = "__Host-signet=";
constexpr std::string_view kAttributes = "; Path=/; Secure; HttpOnly; SameSite=Strict";
constexpr size_t kOctets = 32;
constexpr size_t kCharacters = 43;
constexpr int64_t kTouchEveryUs = 30'000'000;

bool is_session_id(std::string_view text) {
  return text.size() == kCharacters && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

}  // namespace

Secret make_session_id(Random& random) {
  std::string octets(kOctets, '\0');
  random.fill(octets.data(), octets.size());
  const Secret raw(std::move(octets));
  return Secret(to_base64url(raw.octets()));
}

Digest session_digest(std::string_view session_id) { return sha256(session_id); }

std::string csrf_token(std::string_view session_id) {
  return to_base64url(view(hmac_sha256(session_id, "signet csrf token")));
}

std::string session_cookie(const Secret& session_id) {
  return std::string(kCookie) + std::string(session_id.octets()) + std::string(kAttributes);
}

std::string ended_cookie() { return std::string(kCookie) + "; Max-Age=0" + std::string(kAttributes); }

// RFC 6265 section 4.2.1: pairs with "; " between them. The name's prefix is bound to us, so that the first counts.
std::optional<std::string_view> session_of(const http::Request& request) {
  const auto header = request.header("cookie");
  if (!header) return std::nullopt;
  for (std::string_view rest = *header; !rest.empty();) {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (!pair.starts_with(kCookie)) continue;
    pair.remove_prefix(kCookie.size());
    if (is_session_id(pair)) return pair;
    return std::nullopt;
  }
  return std::nullopt;
}

Result<std::variant<Principal, http::Response>> authenticate_session(const http::Request& request,
                                                                     std::string_view session_id, PgTransaction& tx,
                                                                     WallTime now) {
  using Answer = std::variant<Principal, http::Response>;
  auto found = find_session_principal(tx, view(session_digest(session_id)), now, WallTime{now.us - kSessionIdleUs});
  if (!found) return found.error();
  if (!*found) {
    http::Response response = http::problem(
        401, "UNAUTHORIZED", "The session is over",
        "It was not used for 15 minutes, is older than 12 hours, or was ended: log in again.", request.request_id);
    response.headers.emplace_back("Set-Cookie", ended_cookie());
    return Answer(std::move(response));
  }
  SessionRow& session = *(*found)->session;
  if (now.us - session.last_seen_at.us >= kTouchEveryUs) {
    if (auto touched = touch_session(tx, session.id, now); !touched) return touched.error();
    session.last_seen_at = now;
  }
  return Answer(std::move(**found));
}

bool is_from_elsewhere(const http::Request& request) {
  const auto site = request.header("sec-fetch-site");
  return site && *site != "same-origin" && *site != "none";
}

bool has_csrf_token(const http::Request& request, std::string_view session_id) {
  const auto given = request.header("x-signet-csrf");
  return given && is_equal_constant_time(*given, csrf_token(session_id));
}

}  // namespace signet
