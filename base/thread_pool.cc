#include "base/thread_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"

namespace signet {

struct ThreadPool::Impl {
  explicit Impl(size_t most) : queue_max(most) {}

  void work() {
    for (;;) {
      std::function<void()> action;
      {
        std::unique_lock guard(lock);
        wake.wait(guard, [this] { return is_ending || !queue.empty(); });
        if (queue.empty()) return;
        action = std::move(queue.front());
        queue.pop_front();
      }
      action();
    }
  }

  const size_t queue_max;
  mutable std::mutex lock;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  bool is_ending = false;
  std::vector<std::thread> threads;
};

ThreadPool::ThreadPool(size_t threads, size_t queue_max) : impl_(std::make_unique<Impl>(queue_max)) {
  SIGNET_CHECK(threads > 0);
  for (size_t i = 0; i < threads; i++) impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard guard(impl_->lock);
    impl_->is_ending = true;
  }
  impl_->wake.notify_all();
  for (auto& thread : impl_->threads) thread.join();
}

bool ThreadPool::submit(std::function<void()> action) {
  {
    std::lock_guard guard(impl_->lock);
    if (impl_->queue.size() >= impl_->queue_max) return false;
    impl_->queue.push_back(std::move(action));
  }
  impl_->wake.notify_one();
  return true;
}

size_t ThreadPool::queued() const {
  std::lock_guard guard(impl_->lock);
  return impl_->queue.size();
}

}  // namespace signet
