// A TCP proxy on loopback between a daemon and one of its servers, whose weather a test changes: delay (each connection
// and direction its own, so that what leaves by two connections arrives in another order), silence, resets.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "base/clock.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/stream.h"

namespace signet::chaos {

struct Weather {
  int64_t delay_min_ms = 0, delay_max_ms = 0;  // of each piece of octets; never reordered within a connection
  bool is_silent = false;  // nothing passes and no connection breaks, as with a partition; later it all arrives
};

class Proxy {
 public:
  // Everything on the loop's thread, but set(): any thread, takes effect within a round.
  Proxy(Loop& loop, const Clock& clock, Random& random, int to_port);
  ~Proxy();
  int port() const { return listener_->port(); }
  void set(Weather weather);
  void reset_all();  // any thread: every connection ends by a reset

 private:
  struct Link;
  void accept(std::unique_ptr<Stream> client);
  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  const int to_port_;
  Weather weather_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  std::list<std::unique_ptr<Link>> links_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace signet::chaos
