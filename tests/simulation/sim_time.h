// Virtual time: events in order of their moment, then of the calls that planned them. Loops, timers and clocks on it
// are the core's own types, so that a simulation runs the real core, and runs it alike each time. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"

namespace signet::test {

class SimTime {
 public:
  int64_t now_us() const { return now_us_; }
  void after(int64_t us, std::function<void()> action);  // a time that has passed counts as now
  bool step();                                           // runs the next event; false: there is none
  void run_until(int64_t us);                            // events up to and at that moment; then it is that moment
  void drop();                                           // what is still planned, unrun
  int64_t events() const { return events_; }

 private:
  struct Event {
    int64_t us;
    int64_t number;
    std::function<void()> action;
    bool operator<(const Event& other) const {  // a heap's greatest comes first
      return us != other.us ? us > other.us : number > other.number;
    }
  };
  std::vector<Event> heap_;
  int64_t now_us_ = 0, planned_ = 0, events_ = 0;
};

// A loop's rounds happen at moments of the SimTime: timers, then the round's action, then what was posted.
class SimLoop : public LoopCore {
 public:
  explicit SimLoop(SimTime& time);
  ~SimLoop() override;
  void run() override;  // steps the time, and with it every loop on it, until stop()
  void stop() override;
  void post(std::function<void()> action) override;
  void on_round(std::function<void()> action) override;
  std::unique_ptr<TimerCore> timer() override;
  uv_loop_s* uv() const override;  // a bug: nothing here is libuv's

  // SIGSTOP and SIGCONT: time goes on, the loop does not.
  void pause();
  void resume();

 private:
  friend class SimTimer;
  struct State;
  std::shared_ptr<State> state_;  // events that come after this is gone find it gone
};

// A host's clock: may be set wrong, and stepped; its ticks go on all the same.
class SimClock : public Clock {
 public:
  explicit SimClock(const SimTime& time, int64_t offset_us = 0) : time_(time), offset_us_(offset_us) {}
  WallTime wall() const override { return {kStartUs + time_.now_us() + offset_us_}; }
  Tick tick() const override { return {kStartTickUs + time_.now_us()}; }
  void set_offset_us(int64_t us) { offset_us_ = us; }

  static constexpr int64_t kStartUs = 1'795'307'286'000'000;  // 2026-11-22T00:28:06Z
  static constexpr int64_t kStartTickUs = 1'000'000'000;

 private:
  const SimTime& time_;
  int64_t offset_us_;
};

}  // namespace signet::test
