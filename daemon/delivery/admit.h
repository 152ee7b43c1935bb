// What stands between a claimed hint and a permit: a lane that is open, a provider that may be used, an in-flight slot,
// and the rate. Costs no attempt. The rate's token is spent at the first byte, not here: what is admitted while
// PostgreSQL stalls must not leave all at once. One object a loop.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "daemon/delivery/pace.h"
#include "daemon/metrics.h"
#include "message/message.h"
#include "message/outcome.h"
#include "message/pauses.h"
#include "message/route.h"
#include "queue/queue.h"
#include "store/provider_health.h"

namespace signet {

struct AdmissionRequest {
  std::string_view lane;
  Priority priority = Priority::normal;
  std::string_view pinned;  // the only provider it may go to; empty: any of the lane
  std::string_view avoid;   // not this one, if the lane has another that is open
};

struct Admission {
  enum class Answer {
    admitted,
    busy,    // no slot or no token now: keep the hint, ask again at `again_at` or when a slot is free
    closed,  // paused, throttled, or the breaker is open: give the hint back until `again_at`
    gone,    // the configuration knows no such lane or provider: `reason` is no_route or provider_gone
  } answer = Answer::busy;
  std::string provider;
  // Why this one, as the permit's row keeps it: "only" (the lane has one), "weight" (drawn), "pinned"; or which one was
  // passed over and why: "breaker:<name>", "paused:<name>", "avoid:<name>"; or "failover" (that one is throttled).
  std::string reason;
  Tick again_at;            // of busy and closed
  bool has_choice = false;  // another provider of the lane is open too
};

class Admit {  // loop thread only
 public:
  struct Parts {  // all outlive the Admit
    const Routes& routes;
    Queue& queue;
    const Clock& clock;
    Random& random;
    Pace& pace;
    Log& log;
    Metrics& metrics;
  };
  // `slots`: of each provider, this loop's share. An eighth of them is kept for critical and high.
  Admit(Parts parts, const std::map<std::string, int>& slots);

  Admission ask(const AdmissionRequest& request, Tick now);
  // The last thing before the first byte of what was admitted: spends a token. False: ask again at `again_at`.
  bool may_start(const std::string& provider, Tick now, Tick& again_at);
  // An admitted message got no permit, or its attempt is recorded. `has_started`: may_start said so.
  void release(const std::string& provider, bool has_started);
  // Throttling pauses the lane's way to this provider, as long as it asked, within bounds; the breaker counts.
  void learn(const std::string& lane, const std::string& provider, const Outcome& outcome, Tick now);
  void set_pauses(const Pauses& pauses) { pauses_ = pauses; }
  const std::array<bool, 4>& closed_priorities() const { return pauses_.priorities; }
  std::vector<std::string> closed_lanes(Tick now) const;  // with no provider that may be used
  std::vector<ProviderHealth> health() const;             // slots are this loop's, breakers the daemon's

 private:
  struct Gate {
    int slots = 0, in_use = 0;
    std::map<std::string, Tick, std::less<>> throttled_until;  // by lane
  };
  struct Bar {              // why a provider may not be used
    std::string_view word;  // "paused", "throttled", "breaker"; empty: it may
    Tick again_at;          // when it may be worth asking
  };
  struct Way {  // a provider of a lane that may be used
    const std::string* provider;
    int weight;
    Gate* gate;
  };
  Bar bar_of(const std::string& provider, const Gate& gate, std::string_view lane, Tick now) const;
  bool take(const Way& way, Priority priority, Tick now, Tick& again_at);
  void draw_tokens(const std::string& provider, Tick now);
  Admission ask_pinned(const AdmissionRequest& request, Tick now);

  const Parts parts_;
  std::map<std::string, Gate, std::less<>> gates_;
  Pauses pauses_;
};

}  // namespace signet
