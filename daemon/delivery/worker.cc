#include "daemon/delivery/worker.h"

#include <chrono>

namespace signet {

Worker::Worker(int64_t every_ms, std::function<bool()> action, int64_t gather_ms)
    : action_(std::move(action)), thread_([this, every_ms, gather_ms] { run(every_ms, gather_ms); }) {}

Worker::~Worker() {
  stop();
  thread_.join();
}

void Worker::wake() {
  std::lock_guard guard(lock_);
  is_woken_ = true;
  woken_.notify_one();
}

void Worker::stop() {
  std::lock_guard guard(lock_);
  is_stopping_ = true;
  woken_.notify_one();
}

void Worker::run(int64_t every_ms, int64_t gather_ms) {
  for (;;) {
    {
      std::unique_lock guard(lock_);
      woken_.wait_for(guard, std::chrono::milliseconds(every_ms), [this] { return is_woken_ || is_stopping_; });
      if (is_woken_ && gather_ms > 0)
        woken_.wait_for(guard, std::chrono::milliseconds(gather_ms), [this] { return is_stopping_; });
      is_woken_ = false;
      if (is_stopping_) return;
    }
    while (action_()) {
      std::lock_guard guard(lock_);
      if (is_stopping_) return;
    }
  }
}

}  // namespace signet
