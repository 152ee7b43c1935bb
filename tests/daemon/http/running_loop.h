// A loop on a thread of its own, for tests that talk to it through real sockets.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "base/log.h"
#include "base/loop.h"

namespace signet::test {

class SilentLog : public Log {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

class RunningLoop {
 public:
  RunningLoop() {
    std::promise<Loop*> made;
    auto ready = made.get_future();
    thread_ = std::thread([&made] {
      Loop loop;
      made.set_value(&loop);
      loop.run();
    });
    loop_ = ready.get();
  }
  // Whatever lives on the loop must be gone by then: see on_loop.
  ~RunningLoop() {
    loop_->stop();
    thread_.join();
  }
  Loop& loop() { return *loop_; }
  template <class Action>
  auto on_loop(Action action) -> std::invoke_result_t<Action> {
    std::packaged_task<std::invoke_result_t<Action>()> task(std::move(action));
    auto result = task.get_future();
    loop_->post([&task] { task(); });
    return result.get();
  }

 private:
  Loop* loop_ = nullptr;
  std::thread thread_;
};

}  // namespace signet::test
