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

Secret make_token(Random& random);
bool is_token(std::string_view text);  // of the right form
Digest token_digest(std::string_view token);

// Who calls, or the 401 to give instead: the token is missing, malformed, unknown, lapsed or revoked (the last three
// are not told apart). The role is looked up each time, so that a change acts at once. Errors are the store's.
Result<std::variant<Principal, http::Response>> authenticate(const http::Request& request, PgTransaction& tx,
                                                             WallTime now);

}  // namespace signet
