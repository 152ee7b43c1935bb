// What reads evidence in the background gives way to deliveries: while messages are on their way, all such readers of
// a daemon together work a twentieth of the time, in the database too. When nothing is on its way they read at full
// speed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "base/clock.h"

namespace signet {

class BackgroundShare {  // any thread
 public:
  // `is_busy`: whether messages are on their way; asked from any thread.
  BackgroundShare(const Clock& clock, std::function<bool()> is_busy) : clock_(clock), is_busy_(std::move(is_busy)) {}

  // After a piece of work that began then: rests for as long as all that was done lately is too much. At most four
  // seconds, so that a session with the database does not end meanwhile; what is left counts the next time.
  void rest(Tick began);
  void stop();  // nobody rests from now on

 private:
  const Clock& clock_;
  const std::function<bool()> is_busy_;
  std::mutex lock_;
  std::condition_variable stopped_;
  Tick free_at_{};
  bool is_stopped_ = false;
};

}  // namespace signet
