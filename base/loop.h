// One event loop and its timers. Everything that lives on a loop is made, used and destroyed on its thread;
// only post() and stop() may be called from others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

struct uv_loop_s;

namespace signet {

// What a loop and its timers are made of: libuv, or a simulation's virtual time (tests/simulation/sim_time.h). The
// contracts are those of Loop and Timer below.
class TimerCore {
 public:
  virtual ~TimerCore() = default;
  virtual void start(int64_t delay_ms, int64_t every_ms, std::function<void()> action) = 0;  // every_ms 0: once
  virtual void stop() = 0;
  virtual bool is_active() const = 0;
};
class LoopCore {
 public:
  virtual ~LoopCore() = default;
  virtual void run() = 0;
  virtual void stop() = 0;
  virtual void post(std::function<void()> action) = 0;
  virtual void on_round(std::function<void()> action) = 0;
  virtual std::unique_ptr<TimerCore> timer() = 0;
  virtual uv_loop_s* uv() const = 0;  // a bug where there is none
};

class Loop {
 public:
  Loop();  // libuv's
  explicit Loop(std::unique_ptr<LoopCore> core);
  ~Loop();  // all timers, streams and listeners on it must be gone; closes what libuv still has to close
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();                               // until stop(); callbacks run on the calling thread
  void stop();                              // any thread; run() returns after the present round
  void post(std::function<void()> action);  // any thread; in order; run once on the loop's thread, also if posted
                                            // before run(). What is posted after run() returned is dropped unrun.
  // Called once in each round of the loop, before it waits: the place where batches are formed from what came in.
  // At most one; replaces the one before; empty removes it.
  void on_round(std::function<void()> action);
  uv_loop_s* uv() const;  // for the rooms that drive a client of their own on it

 private:
  friend class Timer;
  std::unique_ptr<LoopCore> core_;
};

class Timer {  // stopped by its destructor; the action may destroy or restart the timer
 public:
  explicit Timer(Loop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void start(int64_t delay_ms, std::function<void()> action);
  void repeat(int64_t every_ms, std::function<void()> action);  // first after every_ms
  void stop();
  bool is_active() const;

 private:
  std::unique_ptr<TimerCore> core_;
};

}  // namespace signet
