#include "daemon/delivery/admit.h"

#include <algorithm>

namespace signet {
namespace {

constexpr int64_t kBusyUs = 50000;  // a slot is usually freed sooner, and that is noticed
constexpr int64_t kUnknownLaneUs = 5000000;
constexpr int64_t kPauseMs = 1000;  // of a throttled lane, if the provider named no time
constexpr int64_t kPauseMsMax = 60000;

}  // namespace

Admit::Admit(const Routes& routes, const std::map<std::string, ProviderLimits>& limits, Random& random)
    : routes_(routes), random_(random) {
  for (const auto& [name, limit] : limits) gates_[name] = Gate{limit, limit.burst, Tick{}, 0};
}

Admission Admit::ask(const std::string& lane, Tick now) {
  Admission refused;
  refused.answer = Admission::Answer::closed;
  if (const auto paused = paused_until_.find(lane); paused != paused_until_.end()) {
    refused.again_at = paused->second;
    if (now < paused->second) return refused;
    paused_until_.erase(paused);
  }
  refused.again_at = {now.us + kUnknownLaneUs};
  const Route* route = routes_.route(lane);
  if (!route) return refused;  // the configuration changed: the relay offers it in a lane that exists
  refused.answer = Admission::Answer::busy;
  refused.again_at = {now.us + kBusyUs};
  std::vector<std::pair<const RouteProvider*, Gate*>> open;
  int weights = 0;
  for (const auto& provider : route->providers) {
    const auto found = gates_.find(provider.name);
    if (found == gates_.end()) continue;
    Gate& gate = found->second;
    if (gate.in_use >= gate.limits.in_flight) continue;
    if (gate.limits.rate_per_s > 0) {
      const double earned = static_cast<double>(now.us - gate.filled_at.us) / 1e6 * gate.limits.rate_per_s;
      gate.tokens = gate.filled_at.us == 0 ? gate.limits.burst : std::min(gate.limits.burst, gate.tokens + earned);
      gate.filled_at = now;
      if (gate.tokens < 1) {
        const auto wait_us = static_cast<int64_t>((1 - gate.tokens) / gate.limits.rate_per_s * 1e6) + 1;
        refused.again_at = std::min(refused.again_at, Tick{now.us + wait_us});
        continue;
      }
    }
    open.emplace_back(&provider, &gate);
    weights += provider.weight;
  }
  if (open.empty()) return refused;
  auto chosen = open.front();
  if (open.size() > 1 && weights > 0) {
    auto draw = static_cast<int>(random_.below(static_cast<uint64_t>(weights)));
    for (const auto& candidate : open) {
      chosen = candidate;
      draw -= candidate.first->weight;
      if (draw < 0) break;
    }
  }
  chosen.second->in_use++;
  if (chosen.second->limits.rate_per_s > 0) chosen.second->tokens -= 1;
  Admission admitted;
  admitted.answer = Admission::Answer::admitted;
  admitted.provider = chosen.first->name;
  admitted.reason = route->providers.size() == 1 ? "only" : "weight";
  return admitted;
}

void Admit::release(const std::string& provider) {
  const auto found = gates_.find(provider);
  if (found != gates_.end() && found->second.in_use > 0) found->second.in_use--;
}

void Admit::learn(const std::string& lane, const Outcome& outcome, Tick now) {
  if (!outcome.is_throttled) return;
  const int64_t pause_ms = std::clamp(outcome.retry_after_ms.value_or(kPauseMs), int64_t{1}, kPauseMsMax);
  auto& until = paused_until_[lane];
  until = std::max(until, Tick{now.us + pause_ms * 1000});
}

std::vector<std::string> Admit::closed_lanes(Tick now) const {
  std::vector<std::string> out;
  for (const auto& [lane, until] : paused_until_)
    if (now < until) out.push_back(lane);
  return out;
}

}  // namespace signet
