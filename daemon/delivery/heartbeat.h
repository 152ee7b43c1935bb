// This daemon lives: others see it, and leave what its loops hold to them. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/engine_store.h"

namespace signet {

class Heartbeat {
 public:
  using Heard = std::function<void(const Pulse&, Tick asked, Tick answered)>;

  // `heard` is told at each beat how many daemons live, and the server's time between these two ticks.
  Heartbeat(EngineStore& store, const Clock& clock, std::string instance, std::vector<Uuid> epochs, Heard heard)
      : store_(store),
        clock_(clock),
        instance_(std::move(instance)),
        epochs_(std::move(epochs)),
        heard_(std::move(heard)) {}
  bool pass() {
    const Tick asked = clock_.tick();
    if (const auto pulse = store_.beat(instance_, epochs_)) heard_(*pulse, asked, clock_.tick());
    return false;
  }

 private:
  EngineStore& store_;
  const Clock& clock_;
  const std::string instance_;
  const std::vector<Uuid> epochs_;
  const Heard heard_;
};

}  // namespace signet
