// A thread that does one thing when it is woken, and every so often even if nobody wakes it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace signet {

class Worker {
 public:
  // `action` returns true if there is more to do at once. It must not throw. It starts `gather_ms` after the wake-up:
  // what comes meanwhile shares its pass.
  Worker(int64_t every_ms, std::function<bool()> action, int64_t gather_ms = 0);
  ~Worker();    // waits for the action under way
  void wake();  // any thread
  void stop();  // any thread; wakes it and lets it end

 private:
  void run(int64_t every_ms, int64_t gather_ms);
  std::function<bool()> action_;
  std::mutex lock_;
  std::condition_variable woken_;
  bool is_woken_ = false, is_stopping_ = false;
  std::thread thread_;
};

}  // namespace signet
