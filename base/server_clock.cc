#include "base/server_clock.h"

#include <algorithm>
#include <cstdlib>

namespace signet {

void ServerClock::heard(WallTime server, Tick asked, Tick answered) {
  constexpr int64_t kEnoughUs = 50'000;
  const int64_t took_us = answered.us - asked.us;
  const int64_t ahead_us = server.us - asked.us - took_us / 2;
  const int64_t known_us = ahead_us_;
  const bool is_close = known_us != kUnheard && std::abs(ahead_us - known_us) <= std::max(kEnoughUs, took_us);
  if (!is_close) ahead_us_ = ahead_us;
}

WallTime ServerClock::wall() const {
  const int64_t ahead_us = ahead_us_;
  return ahead_us == kUnheard ? own_.wall() : WallTime{own_.tick().us + ahead_us};
}

}  // namespace signet
