// The two interfaces of `adapter: vonage`: `api: messages` and `api: sms`. Both are Vonage, with settings in common and
// nothing else.
#pragma once

#include <memory>

#include "providers/provider.h"

namespace signet {

Result<std::unique_ptr<Provider>> make_vonage_messages(const ProviderSettings& settings);
Result<std::unique_ptr<Provider>> make_vonage_sms(const ProviderSettings& settings);

// Both want numbers without the plus.
inline std::string_view without_plus(std::string_view number) {
  return number.starts_with('+') ? number.substr(1) : number;
}
constexpr int64_t kVonageWindowS = 300;  // how far from now a signature's time may be

}  // namespace signet
