#include "tests/simulation/sim_time.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"

namespace signet::test {

void SimTime::after(int64_t us, std::function<void()> action) {
  heap_.push_back({now_us_ + std::max<int64_t>(us, 0), planned_++, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end());
}

bool SimTime::step() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end());
  Event next = std::move(heap_.back());
  heap_.pop_back();
  now_us_ = next.us;
  events_++;
  next.action();
  return true;
}

void SimTime::run_until(int64_t us) {
  while (!heap_.empty() && heap_.front().us <= us) step();
  now_us_ = std::max(now_us_, us);
}

void SimTime::drop() {
  while (!heap_.empty()) std::exchange(heap_, {}).clear();  // what an action owned may plan more as it goes
}

struct SimLoop::State : std::enable_shared_from_this<SimLoop::State> {
  struct TimerState {
    std::function<void()> action;
    uint64_t generation = 0;  // of start and stop: tells whether the action changed its own timer
    int64_t every_us = 0;
    std::pair<int64_t, int64_t> place{-1, 0};  // in `timers`; -1: not there
    bool is_gone = false;
  };

  explicit State(SimTime& at) : moments(at) {}

  SimTime& moments;
  std::map<std::pair<int64_t, int64_t>, std::shared_ptr<TimerState>> timers;  // by moment, then by start
  int64_t started = 0;
  std::vector<std::function<void()>> posted;
  std::shared_ptr<std::function<void()>> round;  // shared: the action may replace itself while it runs
  bool is_planned = false, is_paused = false, is_stopping = false, is_running = false, is_gone = false;

  void wake() {
    if (is_planned || is_paused || is_gone) return;
    is_planned = true;
    moments.after(0, [self = shared_from_this()] { self->turn(); });
  }

  void arm(const std::shared_ptr<TimerState>& timer, int64_t us) {
    timer->place = {moments.now_us() + us, started++};
    timers.emplace(timer->place, timer);
    moments.after(us, [self = shared_from_this()] {
      if (!self->timers.empty() && self->timers.begin()->first.first <= self->moments.now_us()) self->wake();
    });
  }
  void disarm(TimerState& timer) {
    if (timer.place.first >= 0) timers.erase(timer.place);
    timer.place.first = -1;
  }

  void fire(const std::shared_ptr<TimerState>& timer) {
    disarm(*timer);
    if (timer->every_us > 0) arm(timer, timer->every_us);
    const uint64_t before = timer->generation;
    auto running = std::exchange(timer->action, nullptr);
    running();
    if (!timer->is_gone && timer->generation == before && timer->place.first >= 0) timer->action = std::move(running);
  }

  void turn() {
    is_planned = false;
    if (is_paused || is_gone) return;
    const auto self = shared_from_this();  // an action may destroy the loop's owner
    const int64_t before = started;        // timers that these actions start have their turn later
    for (;;) {
      const auto first = timers.begin();
      if (first == timers.end() || first->first.first > moments.now_us() || first->first.second >= before) break;
      fire(std::shared_ptr<TimerState>(first->second));
      if (is_gone) return;
    }
    if (const auto action = round) (*action)();
    if (is_gone) return;
    auto actions = std::exchange(posted, {});
    for (auto& action : actions) {
      action();
      action = nullptr;
      if (is_gone) return;
    }
    if (std::exchange(is_stopping, false)) is_running = false;
    // What the actions left behind wants a round before the loop waits.
    const bool is_late = !timers.empty() && timers.begin()->first.first <= moments.now_us();
    if (!actions.empty() || !posted.empty() || is_late) wake();
  }
};

class SimTimer : public TimerCore {
 public:
  explicit SimTimer(std::shared_ptr<SimLoop::State> loop) : loop_(std::move(loop)) {}
  ~SimTimer() override {
    stop();
    timer_->is_gone = true;
  }
  void start(int64_t delay_ms, int64_t every_ms, std::function<void()> action) override {
    SIGNET_CHECK(action);
    loop_->disarm(*timer_);
    timer_->generation++;
    timer_->action = std::move(action);
    timer_->every_us = every_ms * 1000;
    loop_->arm(timer_, std::max<int64_t>(delay_ms, 0) * 1000);
  }
  void stop() override {
    timer_->generation++;
    loop_->disarm(*timer_);
    timer_->action = nullptr;
  }
  bool is_active() const override { return timer_->place.first >= 0; }

 private:
  std::shared_ptr<SimLoop::State> loop_;
  std::shared_ptr<SimLoop::State::TimerState> timer_ = std::make_shared<SimLoop::State::TimerState>();
};

SimLoop::SimLoop(SimTime& time) : state_(std::make_shared<State>(time)) {}

SimLoop::~SimLoop() {
  // Unrun actions may own timers of this loop, and dropping them may post more.
  while (!state_->posted.empty()) std::exchange(state_->posted, {}).clear();
  SIGNET_CHECK(state_->timers.empty());
  state_->round.reset();
  state_->is_gone = true;
}

void SimLoop::run() {
  state_->is_running = true;
  state_->wake();
  while (state_->is_running) SIGNET_CHECK(state_->moments.step());
}
void SimLoop::stop() {
  state_->is_stopping = true;
  state_->wake();
}
void SimLoop::post(std::function<void()> action) {
  state_->posted.push_back(std::move(action));
  state_->wake();
}
void SimLoop::on_round(std::function<void()> action) {
  state_->round = action ? std::make_shared<std::function<void()>>(std::move(action)) : nullptr;
}
std::unique_ptr<TimerCore> SimLoop::timer() { return std::make_unique<SimTimer>(state_); }
uv_loop_s* SimLoop::uv() const {
  SIGNET_CHECK(false);
  return nullptr;
}
void SimLoop::pause() { state_->is_paused = true; }
void SimLoop::resume() {
  state_->is_paused = false;
  state_->wake();
}

}  // namespace signet::test
