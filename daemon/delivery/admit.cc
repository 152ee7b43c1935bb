#include "daemon/delivery/admit.h"

#include <algorithm>

namespace signet {
namespace {

constexpr int64_t kRefusedAgainMs = 100;
constexpr int64_t kPauseMs = 1000;        // of a throttled lane, if the provider named no time
constexpr int64_t kPauseMsMax = 60000;
constexpr int kAheadMax = 32;             // messages that may wait for each request under way

}  // namespace

Admit::Admit(const Routes& routes, std::map<std::string, ProviderLimits> limits, int64_t permit_start_ms,
             Random& random)
    : routes_(routes), permit_start_ms_(permit_start_ms), random_(random) {
  for (auto& [name, limit] : limits) gates_[name] = Gate{limit, limit.burst, Tick{}, 0, 20000};
}

// A permit granted behind a long line lapses unused, so the line is no longer than what half of T_start can serve.
int Admit::admitted_max(const Gate& gate) const {
  const double rounds = static_cast<double>(permit_start_ms_) * 1000 / 2 / std::max(gate.mean_us, 1.0);
  return gate.limits.in_flight * (1 + static_cast<int>(std::clamp(rounds, 0.0, static_cast<double>(kAheadMax))));
}

Admission Admit::ask(const std::string& lane, Tick now, WallTime wall) {
  Admission refused;
  refused.again_at = {wall.us + kRefusedAgainMs * 1000};
  if (const auto paused = paused_until_.find(lane); paused != paused_until_.end()) {
    if (now < paused->second) {
      refused.again_at = {wall.us + (paused->second.us - now.us)};
      return refused;
    }
    paused_until_.erase(paused);
  }
  const Route* route = routes_.route(lane);
  if (!route) return refused;  // the configuration changed: the relay offers it in a lane that exists
  std::vector<std::pair<const RouteProvider*, Gate*>> open;
  int weights = 0;
  for (const auto& provider : route->providers) {
    const auto found = gates_.find(provider.name);
    if (found == gates_.end() || provider.weight <= 0) continue;
    Gate& gate = found->second;
    if (gate.limits.rate_per_s > 0) {
      const double earned = static_cast<double>(now.us - gate.filled_at.us) / 1e6 * gate.limits.rate_per_s;
      gate.tokens = gate.filled_at.us == 0 ? gate.limits.burst : std::min(gate.limits.burst, gate.tokens + earned);
      gate.filled_at = now;
      if (gate.tokens < 1) {
        const double wait_us = (1 - gate.tokens) / gate.limits.rate_per_s * 1e6;
        refused.again_at = {wall.us + static_cast<int64_t>(wait_us)};
        continue;
      }
    }
    if (gate.admitted >= admitted_max(gate)) continue;
    open.emplace_back(&provider, &gate);
    weights += provider.weight;
  }
  if (open.empty()) return refused;
  auto chosen = open.front();
  if (open.size() > 1) {
    auto draw = static_cast<int>(random_.below(static_cast<uint64_t>(weights)));
    for (const auto& candidate : open) {
      chosen = candidate;
      draw -= candidate.first->weight;
      if (draw < 0) break;
    }
  }
  chosen.second->admitted++;
  if (chosen.second->limits.rate_per_s > 0) chosen.second->tokens -= 1;
  return {chosen.first->name, route->providers.size() == 1 ? "only" : "weight", {}};
}

void Admit::release(const std::string& provider) {
  const auto found = gates_.find(provider);
  if (found != gates_.end() && found->second.admitted > 0) found->second.admitted--;
}

void Admit::learn(const std::string& lane, const std::string& provider, const Outcome& outcome, int64_t took_us,
                  Tick now) {
  const auto found = gates_.find(provider);
  if (found != gates_.end() && outcome.kind != OutcomeKind::unsent)
    found->second.mean_us = 0.95 * found->second.mean_us + 0.05 * static_cast<double>(took_us);
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
