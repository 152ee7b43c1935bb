// SIGTERM and SIGINT as calls, on a thread of their own. Make it before any other thread: it blocks both signals in the
// thread that makes it and so in all that follow.
#pragma once

#include <functional>
#include <memory>

namespace signet {

class Signals {
 public:
  explicit Signals(std::function<void(int signal)> action);
  ~Signals();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet
