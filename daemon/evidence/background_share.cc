#include "daemon/evidence/background_share.h"

#include <algorithm>
#include <chrono>

namespace signet {
namespace {

constexpr int64_t kRestPerWork = 19;
constexpr int64_t kRestUsMax = 4'000'000;
constexpr int64_t kLookUs = 100'000;  // deliveries may have ended

}  // namespace

void BackgroundShare::rest(Tick began) {
  std::unique_lock guard(lock_);
  int64_t now_us = clock_.tick().us;
  free_at_.us = std::max(free_at_.us, now_us) + (now_us - began.us) * kRestPerWork;
  const int64_t end_us = now_us + kRestUsMax;
  while (!is_stopped_) {
    guard.unlock();
    const bool is_busy = is_busy_();
    guard.lock();
    now_us = clock_.tick().us;
    if (!is_busy) free_at_.us = now_us;
    const int64_t wait_us = std::min(free_at_.us, end_us) - now_us;
    if (wait_us <= 0) return;
    stopped_.wait_for(guard, std::chrono::microseconds(std::min(wait_us, kLookUs)));
  }
}

void BackgroundShare::stop() {
  std::lock_guard guard(lock_);
  is_stopped_ = true;
  stopped_.notify_all();
}

}  // namespace signet
