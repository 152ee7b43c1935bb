// Signing in a caller's name with the key that the daemon keeps for them.
#pragma once

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
SignedStatement sign_for_caller(Context& context, std::string_view payload_type, std::string payload);

}  // namespace signet::api
