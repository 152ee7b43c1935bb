#include "base/loop.h"

#include <uv.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"

namespace signet {

struct Loop::Impl {
  uv_loop_t uv{};
  uv_async_t wake{};
  uv_prepare_t round{};
  std::atomic<bool> is_stopping{false};
  std::mutex lock;
  std::vector<std::function<void()>> posted;
  std::shared_ptr<std::function<void()>> on_round;  // shared: the action may replace itself while it runs

  void woken() {
    std::vector<std::function<void()>> actions;
    {
      std::lock_guard guard(lock);
      actions.swap(posted);
    }
    for (auto& action : actions) {
      action();
      action = nullptr;  // what it holds goes before the next one runs
    }
    if (is_stopping.exchange(false)) uv_stop(&uv);
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  // libuv writes without MSG_NOSIGNAL: a peer that went away must be an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  SIGNET_CHECK(uv_loop_init(&impl_->uv) == 0);
  impl_->uv.data = impl_.get();
  SIGNET_CHECK(uv_async_init(&impl_->uv, &impl_->wake,
                             [](uv_async_t* wake) { static_cast<Impl*>(wake->loop->data)->woken(); }) == 0);
  SIGNET_CHECK(uv_prepare_init(&impl_->uv, &impl_->round) == 0);
}

Loop::~Loop() {
  // Unrun actions may own streams and timers of this loop, so they go while it can still close them.
  for (;;) {
    std::vector<std::function<void()>> unrun;
    {
      std::lock_guard guard(impl_->lock);
      unrun.swap(impl_->posted);
    }
    if (unrun.empty()) break;
  }
  impl_->on_round.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->wake), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->round), nullptr);
  uv_walk(
      &impl_->uv, [](uv_handle_t* handle, void*) { SIGNET_CHECK(uv_is_closing(handle)); }, nullptr);
  uv_run(&impl_->uv, UV_RUN_DEFAULT);
  SIGNET_CHECK(uv_loop_close(&impl_->uv) == 0);
}

void Loop::run() { uv_run(&impl_->uv, UV_RUN_DEFAULT); }

void Loop::stop() {
  impl_->is_stopping = true;
  uv_async_send(&impl_->wake);  // uv_stop itself is not for other threads
}

void Loop::post(std::function<void()> action) {
  {
    std::lock_guard guard(impl_->lock);
    impl_->posted.push_back(std::move(action));
  }
  uv_async_send(&impl_->wake);
}

void Loop::on_round(std::function<void()> action) {
  if (!action) {
    impl_->on_round.reset();
    uv_prepare_stop(&impl_->round);
    return;
  }
  impl_->on_round = std::make_shared<std::function<void()>>(std::move(action));
  uv_prepare_start(&impl_->round, [](uv_prepare_t* round) {
    const auto action = static_cast<Impl*>(round->loop->data)->on_round;
    if (action) (*action)();
  });
}

uv_loop_s* Loop::uv() const { return &impl_->uv; }

struct Timer::Impl {
  uv_timer_t uv{};
  std::function<void()> action;
  uint64_t generation = 0;  // of start and stop: tells whether the action changed its own timer
  bool is_gone = false;

  void fire() {
    const uint64_t before = generation;
    auto running = std::move(action);
    action = nullptr;
    running();
    // After the timer's own destruction this memory still lives: libuv frees it in a later phase.
    if (!is_gone && generation == before && uv_is_active(reinterpret_cast<uv_handle_t*>(&uv)))
      action = std::move(running);
  }

  void begin(int64_t delay_ms, int64_t every_ms, std::function<void()> next) {
    SIGNET_CHECK(!is_gone && next);
    generation++;
    action = std::move(next);
    // libuv counts from the start of the round, which may be long ago, or before run().
    uv_update_time(uv.loop);
    uv_timer_start(
        &uv, [](uv_timer_t* timer) { static_cast<Impl*>(timer->data)->fire(); },
        static_cast<uint64_t>(delay_ms < 0 ? 0 : delay_ms), static_cast<uint64_t>(every_ms));
  }
};

Timer::Timer(Loop& loop) : impl_(new Impl) {
  SIGNET_CHECK(uv_timer_init(loop.uv(), &impl_->uv) == 0);
  impl_->uv.data = impl_;
}

Timer::~Timer() {
  impl_->is_gone = true;
  impl_->action = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->uv),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

void Timer::start(int64_t delay_ms, std::function<void()> action) { impl_->begin(delay_ms, 0, std::move(action)); }

void Timer::repeat(int64_t every_ms, std::function<void()> action) {
  SIGNET_CHECK(every_ms > 0);
  impl_->begin(every_ms, every_ms, std::move(action));
}

void Timer::stop() {
  impl_->generation++;
  uv_timer_stop(&impl_->uv);
  impl_->action = nullptr;
}

bool Timer::is_active() const { return uv_is_active(reinterpret_cast<const uv_handle_t*>(&impl_->uv)) != 0; }

}  // namespace signet
