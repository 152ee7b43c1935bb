#include "daemon/delivery/admit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/crash_point.h"

namespace signet {
namespace {

constexpr int64_t kBusyUs = 50000;      // a slot is usually freed sooner, and that is noticed
constexpr int64_t kPausedUs = 1000000;  // what operators paused is asked for again, if it was claimed at all
constexpr int64_t kThrottleMs = 1000;   // if the provider named no time
constexpr int64_t kThrottleMsMax = 60000;
constexpr int kReservedPart = 8;  // one slot in so many is kept for critical and high
constexpr int kReservedFrom = 4;  // of so few slots, none is

bool has_head_start(Priority priority) { return priority == Priority::critical || priority == Priority::high; }

int reserved(int slots) { return slots < kReservedFrom ? 0 : std::max(1, slots / kReservedPart); }

std::string label(const std::string& provider) { return "provider=\"" + provider + '"'; }

Admission refused(Admission::Answer answer, Tick again_at, std::string reason = {}) {
  Admission out;
  out.answer = answer;
  out.again_at = again_at;
  out.reason = std::move(reason);
  return out;
}

}  // namespace

Admit::Admit(Parts parts, const std::map<std::string, int>& slots) : parts_(parts) {
  for (const auto& [name, count] : slots) {
    gates_[name].slots = count;
    parts_.metrics.set("signet_breaker_open", label(name), 0);
  }
}

Admit::Bar Admit::bar_of(const std::string& provider, const Gate& gate, std::string_view lane, Tick now) const {
  if (pauses_.providers.contains(provider)) return {"paused", {now.us + kPausedUs}};
  const Breaker& breaker = parts_.pace.breaker(provider);
  if (!breaker.is_passable(now)) return {"breaker", breaker.again_at(now)};
  const auto until = gate.throttled_until.find(lane);
  if (until != gate.throttled_until.end() && now < until->second) return {"throttled", until->second};
  return {{}, now};
}

Admission Admit::ask(const AdmissionRequest& request, Tick now) {
  if (pauses_.priorities[static_cast<size_t>(request.priority) - 1])
    return refused(Admission::Answer::closed, {now.us + kPausedUs});
  if (!request.pinned.empty()) return ask_pinned(request, now);
  const Route* route = parts_.routes.route(request.lane);
  if (!route) return refused(Admission::Answer::gone, now, "no_route");
  std::vector<Way> open;
  std::string passed_over;  // of those that would have been in the draw
  std::optional<Tick> opens_at;
  for (const auto& [name, weight] : route->providers) {
    const auto gate = gates_.find(name);
    if (gate == gates_.end()) continue;
    const Bar bar = bar_of(name, gate->second, request.lane, now);
    if (bar.word.empty()) {
      open.push_back({&name, weight, &gate->second});
      continue;
    }
    opens_at = std::min(opens_at.value_or(bar.again_at), bar.again_at);
    if (passed_over.empty() && weight > 0)
      passed_over = bar.word == "throttled" ? "failover" : std::string(bar.word) + ':' + name;
  }
  if (open.empty() && !opens_at) return refused(Admission::Answer::gone, now, "provider_gone");
  if (open.empty()) return refused(Admission::Answer::closed, *opens_at);
  const bool has_choice = open.size() > 1;
  if (has_choice && std::erase_if(open, [&](const Way& way) { return *way.provider == request.avoid; }) > 0)
    passed_over = "avoid:" + std::string(request.avoid);
  // Weight 0 serves only where no other may be used; that the others are busy is no reason.
  if (std::any_of(open.begin(), open.end(), [](const Way& way) { return way.weight > 0; }))
    std::erase_if(open, [](const Way& way) { return way.weight == 0; });

  Admission out = refused(Admission::Answer::busy, {now.us + kBusyUs});
  while (!open.empty()) {
    uint64_t weights = 0;
    for (const auto& way : open) weights += static_cast<uint64_t>(way.weight);
    size_t chosen = 0;
    if (open.size() > 1 && weights > 0) {
      auto draw = static_cast<int64_t>(parts_.random.below(weights));
      while ((draw -= open[chosen].weight) >= 0) chosen++;
    }
    if (take(open[chosen], request.priority, now, out.again_at)) {
      out.answer = Admission::Answer::admitted;
      out.provider = *open[chosen].provider;
      out.reason = route->providers.size() == 1 ? "only" : passed_over.empty() ? "weight" : passed_over;
      out.has_choice = has_choice;
      return out;
    }
    open.erase(open.begin() + static_cast<ptrdiff_t>(chosen));
  }
  return out;
}

Admission Admit::ask_pinned(const AdmissionRequest& request, Tick now) {
  const auto gate = gates_.find(request.pinned);
  if (gate == gates_.end()) return refused(Admission::Answer::gone, now, "provider_gone");
  const Bar bar = bar_of(gate->first, gate->second, request.lane, now);
  if (!bar.word.empty()) return refused(Admission::Answer::closed, bar.again_at);
  Admission out = refused(Admission::Answer::busy, {now.us + kBusyUs});
  if (!take({&gate->first, 1, &gate->second}, request.priority, now, out.again_at)) return out;
  out.answer = Admission::Answer::admitted;
  out.provider = gate->first;
  out.reason = "pinned";
  return out;
}

// A slot, a reservation of a token, and a closed breaker or its probe: all of them, or none.
bool Admit::take(const Way& way, Priority priority, Tick now, Tick& again_at) {
  Gate& gate = *way.gate;
  const std::string& provider = *way.provider;
  const bool is_first = has_head_start(priority);
  if (gate.in_use >= gate.slots - (is_first ? 0 : reserved(gate.slots))) return false;
  TokenBank& tokens = parts_.pace.tokens();
  if (!tokens.reserve(provider, is_first, now)) {
    draw_tokens(provider, now);
    if (!tokens.reserve(provider, is_first, now)) {
      again_at = std::min(again_at, tokens.again_at(provider, now));
      return false;
    }
  }
  if (!parts_.pace.breaker(provider).pass(now)) {
    tokens.unreserve(provider);
    return false;
  }
  gate.in_use++;
  return true;
}

bool Admit::may_start(const std::string& provider, Tick now, Tick& again_at) {
  TokenBank& tokens = parts_.pace.tokens();
  if (tokens.spend(provider, now)) return true;
  draw_tokens(provider, now);
  if (tokens.spend(provider, now)) return true;
  again_at = tokens.again_at(provider, now);
  return false;
}

void Admit::draw_tokens(const std::string& provider, Tick now) {
  TokenBank& tokens = parts_.pace.tokens();
  const auto wish = tokens.wanted(provider, now);
  if (!wish) return;
  if (!parts_.queue.is_up()) return tokens.refused(provider, now);
  parts_.queue.lease_tokens(
      provider, wish->rate.rate_per_s, wish->rate.burst, wish->want,
      [&tokens, &clock = parts_.clock, &metrics = parts_.metrics, provider](const Result<TokenLease>& lease) {
        if (!lease) return tokens.refused(provider, clock.tick());
        metrics.add("signet_tokens_leased_total", label(provider), lease->count);
        SIGNET_CRASH_POINT(tokens_leased);
        tokens.leased(provider, *lease, clock.tick());
      });
}

void Admit::release(const std::string& provider, bool has_started) {
  const auto found = gates_.find(provider);
  if (found == gates_.end()) return;
  if (found->second.in_use > 0) found->second.in_use--;
  if (has_started) return;
  parts_.pace.tokens().unreserve(provider);
  parts_.pace.breaker(provider).give_back(parts_.clock.tick());
}

void Admit::learn(const std::string& lane, const std::string& provider, const Outcome& outcome, Tick now) {
  const auto found = gates_.find(provider);
  if (found == gates_.end()) return;
  if (const auto state = parts_.pace.breaker(provider).learn(outcome, now)) {
    const bool is_open = *state != BreakerState::closed;
    parts_.metrics.set("signet_breaker_open", label(provider), is_open);
    if (is_open)
      parts_.log.warn("a provider fails too often: nothing is sent there but probes, others of its lanes take over",
                      {{"provider", provider}, {"reason", outcome.reason}});
    else
      parts_.log.info("a provider works again", {{"provider", provider}});
  }
  if (!outcome.is_throttled) return;
  const int64_t pause_ms = std::clamp(outcome.retry_after_ms.value_or(kThrottleMs), int64_t{1}, kThrottleMsMax);
  auto& until = found->second.throttled_until[lane];
  until = std::max(until, Tick{now.us + pause_ms * 1000});
}

std::vector<std::string> Admit::closed_lanes(Tick now) const {
  std::vector<std::string> out;
  for (auto& lane : parts_.routes.lanes()) {
    const auto& providers = parts_.routes.route(lane)->providers;
    const bool is_open = std::any_of(providers.begin(), providers.end(), [&](const RouteProvider& provider) {
      const auto gate = gates_.find(provider.name);
      return gate == gates_.end() || bar_of(provider.name, gate->second, lane, now).word.empty();
    });
    if (!is_open) out.push_back(std::move(lane));
  }
  return out;
}

std::vector<ProviderHealth> Admit::health() const {
  const Tick now = parts_.clock.tick();
  const int64_t wall_us = parts_.clock.wall().us - now.us;
  std::vector<ProviderHealth> out;
  for (const auto& [name, gate] : gates_) {
    BreakerReport report = parts_.pace.breaker(name).report(now);
    ProviderHealth one;
    one.provider = name;
    one.breaker = report.state;
    one.reason = std::move(report.reason);
    one.since = {report.since.us + wall_us};
    one.attempts = report.attempts;
    one.errors = report.errors;
    one.in_use = gate.in_use;
    one.in_flight = gate.slots;
    for (const auto& [lane, until] : gate.throttled_until)
      if (now < until) one.paused_until = std::max(one.paused_until.value_or(WallTime{}), WallTime{until.us + wall_us});
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace signet
