// Vonage's older interface, `api: sms` of `adapter: vonage`; providers/vonage.cc has the other, and chooses.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "providers/provider.h"

namespace signet {

Result<std::unique_ptr<Provider>> make_vonage_sms(const ProviderSettings& settings);

// Both want numbers without the plus.
inline std::string_view without_plus(std::string_view number) {
  return number.starts_with('+') ? number.substr(1) : number;
}
constexpr int64_t kVonageWindowS = 300;  // how far from now a signature's time may be

}  // namespace signet
