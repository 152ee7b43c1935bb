#include "daemon/delivery/breaker.h"

namespace signet {
namespace {

// A fault of the provider, or of our account with it, fails every message; one of the message, its recipient or its
// sender fails only that.
bool is_about_provider(const Outcome& outcome) {
  if (outcome.kind == OutcomeKind::in_doubt) return true;
  return outcome.kind == OutcomeKind::retryable && !outcome.is_throttled &&
         (outcome.scope == FaultScope::provider || outcome.scope == FaultScope::account ||
          outcome.scope == FaultScope::credential);
}

}  // namespace

bool Breaker::is_passable(Tick now) const {
  std::lock_guard guard(lock_);
  return state_ == BreakerState::closed || now >= next_probe_;
}

bool Breaker::pass(Tick now) {
  std::lock_guard guard(lock_);
  if (state_ == BreakerState::closed) return true;
  if (now < next_probe_) return false;
  if (state_ == BreakerState::open) change(BreakerState::half_open, now);
  next_probe_ = {now.us + settings_.open_ms * 1000};
  return true;
}

void Breaker::give_back(Tick now) {
  std::lock_guard guard(lock_);
  if (state_ == BreakerState::half_open) next_probe_ = now;
}

Tick Breaker::again_at(Tick now) const {
  std::lock_guard guard(lock_);
  return state_ == BreakerState::closed || now >= next_probe_ ? now : next_probe_;
}

std::optional<BreakerState> Breaker::learn(const Outcome& outcome, Tick now) {
  if (outcome.kind == OutcomeKind::unsent || outcome.is_throttled) return std::nullopt;
  const bool is_error = is_about_provider(outcome);
  std::lock_guard guard(lock_);
  if (state_ == BreakerState::half_open) {
    if (is_error) return open(outcome.reason, now);
    slices_ = {};  // what was counted is of the time before
    return change(BreakerState::closed, now);
  }
  const int64_t number = slice_of(now);
  Slice& slice = slices_[static_cast<size_t>(number % kSlices)];
  if (slice.number != number) slice = {number, 0, 0};
  slice.attempts++;
  if (!is_error) return std::nullopt;
  slice.errors++;
  if (state_ != BreakerState::closed) return std::nullopt;
  int64_t attempts = 0, errors = 0;
  count(number, attempts, errors);
  const bool is_bad = attempts >= settings_.attempts_min &&
                      static_cast<double>(errors) >= settings_.ratio * static_cast<double>(attempts);
  return is_bad ? std::optional(open(outcome.reason, now)) : std::nullopt;
}

BreakerState Breaker::open(const std::string& reason, Tick now) {
  reason_ = reason;
  next_probe_ = {now.us + settings_.open_ms * 1000};
  return change(BreakerState::open, now);
}

BreakerReport Breaker::report(Tick now) const {
  std::lock_guard guard(lock_);
  BreakerReport out{state_, state_ == BreakerState::closed ? "" : reason_, since_, 0, 0};
  count(slice_of(now), out.attempts, out.errors);
  return out;
}

BreakerState Breaker::change(BreakerState state, Tick now) {
  state_ = state;
  since_ = now;
  return state;
}

void Breaker::count(int64_t newest, int64_t& attempts, int64_t& errors) const {
  for (const auto& slice : slices_) {
    if (slice.number <= newest - kSlices) continue;
    attempts += slice.attempts;
    errors += slice.errors;
  }
}

}  // namespace signet
