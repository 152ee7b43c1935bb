// Threads for work that blocks: API handlers, hashing. Bounded.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace signet {

class ThreadPool {
 public:
  ThreadPool(size_t threads, size_t queue_max);
  ~ThreadPool();                                            // runs what is queued, then joins
  [[nodiscard]] bool submit(std::function<void()> action);  // any thread; false if queue_max wait already
  size_t queued() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet
