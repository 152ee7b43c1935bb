// Carries one attempt over the wire and tells how it ended. One transport a provider and loop; callbacks on that loop,
// never inside send().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "providers/provider.h"

namespace signet {

enum class UnaskedEnd {
  kept,         // committed: the SMSC may forget it
  unreadable,   // no receipt and no text that anybody can read: not to be told again
  unavailable,  // not known to be kept: to be told again
};
// What a provider tells over a link without being asked, to be kept. `done` once, on the loop's thread, at any time;
// never inside the call.
using OnUnasked = std::function<void(CallbackRequest, std::function<void(UnaskedEnd)> done)>;

struct TransportOptions {
  int in_flight_max = 64;
  int64_t request_timeout_ms = 30000;
  bool guard_resend = true;   // only the test that shows libcurl's silent resend turns it off
  OnUnasked on_unasked = {};  // empty: all of it is to be told again
};

class Transport {
 public:
  using Done = std::function<void(Outcome)>;
  virtual ~Transport() = default;  // attempts under way end without a callback
  virtual bool has_room() const = 0;
  // `deadline`: the last moment at which the first byte may leave, checked last thing before it; past it the outcome
  // is `unsent` with reason permit_lapsed. Needs has_room().
  virtual void send(const Outbound& message, Tick deadline, Done done) = 0;
  virtual void round() {}  // after the last send() of a loop round
};

// The transport that a provider's protocol asks for.
std::unique_ptr<Transport> make_transport(Loop& loop, const Clock& clock, Log& log,
                                          std::shared_ptr<const Provider> provider, const ProviderSettings& settings,
                                          TransportOptions options);

}  // namespace signet
