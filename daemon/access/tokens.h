// Bearer tokens: `sgn_` and 43 characters of base64url (32 random octets). Only their SHA-256 is stored.
#pragma once

#include <string_view>
#include <variant>

#include "base/crypto.h"
#include "base/random.h"
#include "base/secret.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "store/directory.h"

namespace signet {

// What a token may carry: `approve` lets the daemon's key sign for its user, `delivery:write` may report deliveries.
// One with `read` and nothing else may change nothing; one without any may what its user may, but for signing.
constexpr std::string_view kApproveScope = "approve", kDeliveryScope = "delivery:write", kReadScope = "read";
bool is_scope(std::string_view word);

Secret make_token(Random& random);
bool is_token(std::string_view text);  // of the right form
Digest token_digest(std::string_view token);

// The token that a request carries, or the 401 to give instead: it is missing or malformed. Needs no database.
std::variant<std::string_view, http::Response> bearer_of(const http::Request& request);

// Who calls, or the 401 to give instead: the token is unknown, has lapsed or was revoked (which are not told apart).
// The role is looked up each time, so that a change acts at once. Errors are the store's.
Result<std::variant<Principal, http::Response>> authenticate(const http::Request& request, std::string_view token,
                                                             PgTransaction& tx, WallTime now);

}  // namespace signet
