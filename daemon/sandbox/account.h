// A customer's account at a provider that the sandbox plays: what the daemon is configured with, and what of it only
// the provider has.
#pragma once

#include <optional>

#include "base/secret.h"
#include "base/signature.h"
#include "providers/provider.h"

namespace signet::sandbox {

struct Account {
  ProviderSettings settings;          // its name is the one in /webhooks/<name>
  std::optional<SigningKey> signing;  // of callbacks, where the settings have the public key only
  Secret rsa_pem;                     // likewise, where the public key is in a certificate that is fetched
};

}  // namespace signet::sandbox
