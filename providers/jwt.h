// JSON Web Tokens in the compact form (RFC 7515 section 7.1, RFC 7519), as providers use them: RS256 to sign what we
// ask, HS256 to tell what they say. No other algorithm, above all not "none".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/webhook_crypto.h"

namespace signet {

Result<std::string> make_rs256_token(const RsaSigningKey& key, std::string_view claims);  // a JSON object
// The claims of a token that was signed with this secret, as JSON; else invalid.
Result<std::string> open_hs256_token(std::string_view token, std::string_view secret);

}  // namespace signet
