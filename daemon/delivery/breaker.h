// Stops sending to a provider that fails: opens when, over a window, too large a part of the attempts ended by the
// provider's own fault, never on one error. After a while it is half open: one message goes as a probe; what becomes of
// it closes the breaker or keeps it open.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "message/outcome.h"
#include "store/provider_health.h"

namespace signet {

struct BreakerSettings {
  int64_t window_ms = 30000;  // over which attempts are counted
  double ratio = 0.5;         // of errors among them, from which it opens
  int attempts_min = 20;      // fewer open nothing
  int64_t open_ms = 15000;    // until the first probe, and between probes
};

struct BreakerReport {
  BreakerState state = BreakerState::closed;
  std::string reason;                // of the error that opened it: snake_case, of docs/states.md; empty while closed
  Tick since;                        // that it is as it is
  int64_t attempts = 0, errors = 0;  // within the window
};

class Breaker {  // of one provider, one a daemon; any thread
 public:
  Breaker(const BreakerSettings& settings, Tick now) : settings_(settings), since_(now) {}
  // Whether a message may go: closed, or a probe is due. Changes nothing.
  bool is_passable(Tick now) const;
  // The message goes: if it is open, this is the probe. False: another thread took the probe.
  bool pass(Tick now);
  // A message that went by pass() was not sent after all: if it was the probe, another may go at once.
  void give_back(Tick now);
  Tick again_at(Tick now) const;  // when the next probe is due; `now` if it may pass
  // Throttling and what was never sent say nothing about the provider's health, nor do messages it refuses.
  // Returns the state that this outcome changed it to.
  std::optional<BreakerState> learn(const Outcome& outcome, Tick now);
  BreakerReport report(Tick now) const;

 private:
  static constexpr int kSlices = 10;  // of the window
  struct Slice {
    int64_t number = -1;  // since the clock's begin
    int64_t attempts = 0, errors = 0;
  };
  BreakerState open(const std::string& reason, Tick now);
  BreakerState change(BreakerState state, Tick now);
  void count(int64_t newest, int64_t& attempts, int64_t& errors) const;
  int64_t slice_of(Tick now) const { return now.us / (settings_.window_ms * 1000 / kSlices); }

  const BreakerSettings settings_;
  mutable std::mutex lock_;
  BreakerState state_ = BreakerState::closed;
  Tick since_, next_probe_{};
  std::string reason_;
  std::array<Slice, kSlices> slices_{};
};

}  // namespace signet
