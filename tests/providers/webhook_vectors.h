// The signatures of webhook_vectors.json: of the providers' own SDKs where their source says so, else made for this
// project. Keys, URLs and signatures in it are test values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "providers/provider.h"
#include "tests/providers/support.h"

namespace signet::testing {

struct WebhookVector {
  std::string provider, scheme, name;
  std::string key;   // secret, public key or certificate, as the provider's console shows it
  std::string body;  // raw; of an outgoing one the whole request
  std::string expected;
  bool is_valid = false;
  CallbackRequest request;  // received_at: its `now` if it names one, else 1970
  std::string json;         // all of it: params, signed_url, string_to_sign, context, ...
};

// Those of this scheme, of one provider if it is named; never none.
std::vector<WebhookVector> webhook_vectors(std::string_view scheme, std::string_view provider = "");

}  // namespace signet::testing
