// The only place where time is read (tests/tidy_test.cc). Handed down from main; tests drive their own by hand.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

struct WallTime {  // microseconds since 1970-01-01 UTC; for records and what people see
  int64_t us = 0;
  auto operator<=>(const WallTime&) const = default;
};

struct Tick {  // microseconds of CLOCK_BOOTTIME: never goes back, counts while suspended; for deadlines
  int64_t us = 0;
  auto operator<=>(const Tick&) const = default;
};

class Clock {  // any thread
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual Tick tick() const = 0;
};

class SystemClock : public Clock {
 public:
  SystemClock() = default;
  // Added to wall() and never to tick(), as if somebody set the machine's clock. Outlives this.
  explicit SystemClock(const std::atomic<int64_t>* offset_us) : offset_us_(offset_us) {}
  WallTime wall() const override;
  Tick tick() const override;

 private:
  const std::atomic<int64_t>* offset_us_ = nullptr;
};

#ifdef SIGNET_HOOKS
// Such an offset, in a file that a test writes: a signed number of microseconds, 8 octets in this machine's order. It
// stays mapped while the process lives.
Result<const std::atomic<int64_t>*> map_clock_offset(const std::string& file);
#endif

// RFC 3339 in UTC with six digits of fraction: "2026-11-22T00:41:26.000000Z".
std::string rfc3339(WallTime time);
std::string rfc3339_ms(WallTime time);  // with three
// Accepts any offset and fraction (RFC 3339 section 5.6), years 1970 to 9999.
Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace signet
