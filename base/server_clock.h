// A server's time on this machine's ticks, so that several machines stamp by one clock, and a step of this one's
// changes nothing. Until the server was heard it is this machine's own.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace signet {

class ServerClock : public Clock {  // any thread
 public:
  explicit ServerClock(const Clock& own) : own_(own) {}
  // What the server answered to a question that was asked and answered at these ticks. It is taken as said at the
  // answer, so that this clock is not ahead: what is due now by it is due by the server's too. What is not certainly
  // wrong, or behind by less than 50 ms, stays as it is: time that goes back and forth would be worse.
  void heard(WallTime server, Tick asked, Tick answered);
  WallTime wall() const override;
  Tick tick() const override { return own_.tick(); }

 private:
  const Clock& own_;
  std::atomic<int64_t> ahead_us_{kUnheard};  // of the ticks
  static constexpr int64_t kUnheard = INT64_MIN;
};

}  // namespace signet
