// This daemon lives: others see it, and leave what its loops hold to them. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "store/engine_store.h"

namespace signet {

class Heartbeat {
 public:
  // `counted` is told how many daemons live, at each beat.
  Heartbeat(EngineStore& store, std::string instance, std::vector<Uuid> epochs, std::function<void(int)> counted)
      : store_(store), instance_(std::move(instance)), epochs_(std::move(epochs)), counted_(std::move(counted)) {}
  bool pass() {
    if (const auto daemons = store_.beat(instance_, epochs_)) counted_(*daemons);
    return false;
  }

 private:
  EngineStore& store_;
  const std::string instance_;
  const std::vector<Uuid> epochs_;
  const std::function<void(int)> counted_;
};

}  // namespace signet
