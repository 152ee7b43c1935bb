#include "base/signals.h"

#include <csignal>
#include <thread>
#include <utility>

#include "base/check.h"

namespace signet {

struct Signals::Impl {
  sigset_t set;
  std::thread waiter;
};

Signals::Signals(std::function<void(int signal)> action) : impl_(std::make_unique<Impl>()) {
  sigemptyset(&impl_->set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) sigaddset(&impl_->set, signal);
  SIGNET_CHECK(pthread_sigmask(SIG_BLOCK, &impl_->set, nullptr) == 0);
  impl_->waiter = std::thread([set = impl_->set, action = std::move(action)] {
    for (int signal = 0; sigwait(&set, &signal) == 0;) {
      if (signal == SIGUSR2) return;  // from the destructor
      action(signal);
    }
  });
}

Signals::~Signals() {
  pthread_kill(impl_->waiter.native_handle(), SIGUSR2);
  impl_->waiter.join();
}

}  // namespace signet
