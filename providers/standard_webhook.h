// What a webhook carries so that its receiver can tell it from a forged one: Standard Webhooks 1.0.0. Ours, and those
// of providers that keep to it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "providers/provider.h"

namespace signet {

// The key in a secret's file: base64, with or without `whsec_` in front and `=` behind; 24 to 64 octets, else invalid.
Result<std::string> webhook_key(std::string_view secret);

// webhook-id, webhook-timestamp, webhook-signature. A repeat of one webhook keeps its id.
std::vector<std::pair<std::string, std::string>> webhook_headers(std::string_view key, std::string_view id, WallTime at,
                                                                 std::string_view body);

// Genuine: one of its v1 signatures is by `key`, and it was signed within five minutes of when it came. `prefix`: what
// the three headers' names begin with, "svix-" at Svix's customers.
Verdict verify_webhook(std::string_view key, const CallbackRequest& request, std::string_view prefix = "webhook-");
// Empty: none, or two. What is no is_reference() comes as its SHA-256: it is kept, and shown to people.
std::string webhook_id(const CallbackRequest& request, std::string_view prefix = "webhook-");

}  // namespace signet
