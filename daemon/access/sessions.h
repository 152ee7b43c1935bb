// The console's sessions: an opaque id of 256 bits in the cookie `__Host-signet`, of which only the SHA-256 is stored;
// over after 15 minutes without use, and 12 hours after log-in; another id after each log-in and step-up.
//
// Against forged requests (a page elsewhere that makes the browser call us): the cookie is SameSite=Strict, what
// changes anything is refused if Sec-Fetch-Site says that it comes from elsewhere, and has to bring the session's own
// token in X-Signet-CSRF, which is derived from the id and so changes with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/random.h"
#include "base/secret.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "store/directory.h"

namespace signet {

constexpr int64_t kSessionIdleUs = 15 * 60 * 1'000'000LL;
constexpr int64_t kSessionUs = 12 * 3600 * 1'000'000LL;
constexpr int64_t kStepUpUs = 5 * 60 * 1'000'000LL;

Secret make_session_id(Random& random);  // 43 characters of base64url
Digest session_digest(std::string_view session_id);
std::string csrf_token(std::string_view session_id);
std::string session_cookie(const Secret& session_id);  // the value of Set-Cookie
std::string ended_cookie();                            // takes it back

// What the cookie holds, if it has the form of an id; lives as long as the request.
std::optional<std::string_view> session_of(const http::Request& request);

// Who calls, or the 401 to give instead: the session is unknown, over, or was ended. The role is looked up each time.
// Notes its use, at most twice a minute. Errors are the store's.
Result<std::variant<Principal, http::Response>> authenticate_session(const http::Request& request,
                                                                     std::string_view session_id, PgTransaction& tx,
                                                                     WallTime now);

// Whether a browser says that another site made it send this (https://www.w3.org/TR/fetch-metadata/).
bool is_from_elsewhere(const http::Request& request);
bool has_csrf_token(const http::Request& request, std::string_view session_id);

}  // namespace signet
