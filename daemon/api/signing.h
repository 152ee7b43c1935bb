// Signing in a caller's name with the key that the daemon keeps for them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/api/router.h"
#include "store/signing_keys.h"

namespace signet::api {

struct SignedStatement {
  std::string envelope;  // DSSE, as JSON in its RFC 8785 form
  SigningKeyRow key;     // with custody `server`
};

// In the handler's transaction; enrols a key, with its event, for who has none. 403 STEP_UP_REQUIRED unless may_sign().
// `payload` is asked for with the moment of signing: `now`, or the key's first, where another daemon has just made it.
SignedStatement sign_for_caller(Context& context, std::string_view payload_type, WallTime now,
                                const std::function<std::string(WallTime at)>& payload);

}  // namespace signet::api
