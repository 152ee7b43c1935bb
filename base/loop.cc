#include "base/loop.h"

#include <uv.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"

namespace signet {
namespace {

class UvTimer : public TimerCore {
 public:
  explicit UvTimer(uv_loop_t* loop) : state_(new State) {
    SIGNET_CHECK(uv_timer_init(loop, &state_->uv) == 0);
    state_->uv.data = state_;
  }
  ~UvTimer() override {
    state_->is_gone = true;
    state_->action = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&state_->uv),
             [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
  }

  void start(int64_t delay_ms, int64_t every_ms, std::function<void()> action) override {
    SIGNET_CHECK(action);
    state_->generation++;
    state_->action = std::move(action);
    // libuv counts from the start of the round, which may be long ago, or before run().
    uv_update_time(state_->uv.loop);
    uv_timer_start(
        &state_->uv, [](uv_timer_t* timer) { static_cast<State*>(timer->data)->fire(); },
        static_cast<uint64_t>(delay_ms < 0 ? 0 : delay_ms), static_cast<uint64_t>(every_ms));
  }
  void stop() override {
    state_->generation++;
    uv_timer_stop(&state_->uv);
    state_->action = nullptr;
  }
  bool is_active() const override { return uv_is_active(reinterpret_cast<const uv_handle_t*>(&state_->uv)) != 0; }

 private:
  struct State {
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
  };
  State* state_;  // freed by libuv's close callback, after this is gone
};

class UvLoop : public LoopCore {
 public:
  UvLoop() {
    // libuv writes without MSG_NOSIGNAL: a peer that went away must be an error of the write, not the process's end.
    std::signal(SIGPIPE, SIG_IGN);
    SIGNET_CHECK(uv_loop_init(&uv_) == 0);
    uv_.data = this;
    SIGNET_CHECK(
        uv_async_init(&uv_, &wake_, [](uv_async_t* wake) { static_cast<UvLoop*>(wake->loop->data)->woken(); }) == 0);
    SIGNET_CHECK(uv_prepare_init(&uv_, &round_) == 0);
  }

  ~UvLoop() override {
    // Unrun actions may own streams and timers of this loop, so they go while it can still close them.
    for (;;) {
      std::vector<std::function<void()>> unrun;
      {
        std::lock_guard guard(lock_);
        unrun.swap(posted_);
      }
      if (unrun.empty()) break;
    }
    on_round_.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&round_), nullptr);
    uv_walk(
        &uv_, [](uv_handle_t* handle, void*) { SIGNET_CHECK(uv_is_closing(handle)); }, nullptr);
    uv_run(&uv_, UV_RUN_DEFAULT);
    SIGNET_CHECK(uv_loop_close(&uv_) == 0);
  }

  void run() override { uv_run(&uv_, UV_RUN_DEFAULT); }

  void stop() override {
    is_stopping_ = true;
    uv_async_send(&wake_);  // uv_stop itself is not for other threads
  }

  void post(std::function<void()> action) override {
    {
      std::lock_guard guard(lock_);
      posted_.push_back(std::move(action));
    }
    uv_async_send(&wake_);
  }

  void on_round(std::function<void()> action) override {
    if (!action) {
      on_round_.reset();
      uv_prepare_stop(&round_);
      return;
    }
    on_round_ = std::make_shared<std::function<void()>>(std::move(action));
    uv_prepare_start(&round_, [](uv_prepare_t* round) {
      const auto action = static_cast<UvLoop*>(round->loop->data)->on_round_;
      if (action) (*action)();
    });
  }

  std::unique_ptr<TimerCore> timer() override { return std::make_unique<UvTimer>(&uv_); }
  uv_loop_s* uv() const override { return &uv_; }

 private:
  void woken() {
    std::vector<std::function<void()>> actions;
    {
      std::lock_guard guard(lock_);
      actions.swap(posted_);
    }
    for (auto& action : actions) {
      action();
      action = nullptr;  // what it holds goes before the next one runs
    }
    if (is_stopping_.exchange(false)) uv_stop(&uv_);
  }

  mutable uv_loop_t uv_{};
  uv_async_t wake_{};
  uv_prepare_t round_{};
  std::atomic<bool> is_stopping_{false};
  std::mutex lock_;
  std::vector<std::function<void()>> posted_;
  std::shared_ptr<std::function<void()>> on_round_;  // shared: the action may replace itself while it runs
};

}  // namespace

Loop::Loop() : Loop(std::make_unique<UvLoop>()) {}
Loop::Loop(std::unique_ptr<LoopCore> core) : core_(std::move(core)) {}
Loop::~Loop() = default;
void Loop::run() { core_->run(); }
void Loop::stop() { core_->stop(); }
void Loop::post(std::function<void()> action) { core_->post(std::move(action)); }
void Loop::on_round(std::function<void()> action) { core_->on_round(std::move(action)); }
uv_loop_s* Loop::uv() const { return core_->uv(); }

Timer::Timer(Loop& loop) : core_(loop.core_->timer()) {}
Timer::~Timer() = default;
void Timer::start(int64_t delay_ms, std::function<void()> action) { core_->start(delay_ms, 0, std::move(action)); }

void Timer::repeat(int64_t every_ms, std::function<void()> action) {
  SIGNET_CHECK(every_ms > 0);
  core_->start(every_ms, every_ms, std::move(action));
}

void Timer::stop() { core_->stop(); }
bool Timer::is_active() const { return core_->is_active(); }

}  // namespace signet
