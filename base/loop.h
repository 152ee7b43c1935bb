// One event loop (libuv) and its timers. Everything that lives on a loop is made, used and destroyed on its thread;
// only post() and stop() may be called from others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

struct uv_loop_s;

namespace signet {

class Loop {
 public:
  Loop();
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
  struct Impl;
  std::unique_ptr<Impl> impl_;
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
  struct Impl;
  Impl* impl_;  // freed by libuv's close callback, after this is gone
};

}  // namespace signet
