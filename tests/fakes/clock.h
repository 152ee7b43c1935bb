// A clock that stands until it is told to go on. Any thread.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace signet {

class ManualClock : public Clock {
 public:
  explicit ManualClock(WallTime start = {1'795'307'286'000'000}) : wall_us_(start.us) {}  // 2026-11-22T00:28:06Z
  WallTime wall() const override { return {wall_us_}; }
  Tick tick() const override { return {tick_us_}; }
  void advance_us(int64_t us) {
    wall_us_ += us;
    tick_us_ += us;
  }
  void advance_ms(int64_t ms) { advance_us(ms * 1000); }
  void step_wall_ms(int64_t ms) { wall_us_ += ms * 1000; }  // as an administrator or NTP does: ticks go on

 private:
  std::atomic<int64_t> wall_us_;
  std::atomic<int64_t> tick_us_{1'000'000'000};
};

}  // namespace signet
