// What stands between a claimed hint and a permit: a lane that is open, a provider that may be used, an in-flight slot
// and a rate token. Costs no attempt. One object a loop; the configured limits are the daemon's, divided by its loops.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "message/outcome.h"
#include "message/route.h"

namespace signet {

struct ProviderLimits {
  double rate_per_s = 0;  // 0: none
  double burst = 1;
  int in_flight = 64;  // messages between permit and outcome: no more than these can ever be in doubt at once
};

struct Admission {
  enum class Answer {
    admitted,
    busy,    // no slot or no token now: keep the hint, ask again at `again_at` or when a slot is free
    closed,  // the lane is paused or unknown: give the hint back until `again_at`
  } answer = Answer::busy;
  std::string provider;
  std::string reason;  // why this one: "only", "weight"
  Tick again_at;       // not for admitted
};

class Admit {
 public:
  Admit(const Routes& routes, const std::map<std::string, ProviderLimits>& limits, Random& random);

  Admission ask(const std::string& lane, Tick now);
  void release(const std::string& provider);  // an admitted message got no permit, or its attempt ended
  // Throttling pauses the lane: as long as the provider asked, within bounds.
  void learn(const std::string& lane, const Outcome& outcome, Tick now);
  std::vector<std::string> closed_lanes(Tick now) const;

 private:
  struct Gate {
    ProviderLimits limits;
    double tokens = 0;
    Tick filled_at;
    int in_use = 0;
  };

  const Routes& routes_;
  std::map<std::string, Gate> gates_;
  std::map<std::string, Tick> paused_until_;  // by lane
  Random& random_;
};

}  // namespace signet
