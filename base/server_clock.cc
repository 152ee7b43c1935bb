#include "base/server_clock.h"

namespace signet {

void ServerClock::heard(WallTime server, Tick asked, Tick answered) {
  constexpr int64_t kEnoughUs = 50'000;
  const int64_t least_us = server.us - answered.us, most_us = server.us - asked.us;
  const int64_t known_us = ahead_us_;
  if (known_us == kUnheard || known_us > most_us || known_us < least_us - kEnoughUs) ahead_us_ = least_us;
}

WallTime ServerClock::wall() const {
  const int64_t ahead_us = ahead_us_;
  return ahead_us == kUnheard ? own_.wall() : WallTime{own_.tick().us + ahead_us};
}

}  // namespace signet
