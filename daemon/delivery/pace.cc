#include "daemon/delivery/pace.h"

#include <tuple>

namespace signet {
namespace {

std::map<std::string, ProviderRate> rates_of(const std::map<std::string, ProviderLimits>& limits) {
  std::map<std::string, ProviderRate> out;
  for (const auto& [name, limit] : limits) out[name] = {limit.rate_per_s, limit.burst};
  return out;
}

}  // namespace

Pace::Pace(const std::map<std::string, ProviderLimits>& limits, const BreakerSettings& settings, Tick now)
    : tokens_(rates_of(limits)) {
  for (const auto& [name, limit] : limits)
    breakers_.emplace(std::piecewise_construct, std::forward_as_tuple(name), std::forward_as_tuple(settings, now));
}

}  // namespace signet
