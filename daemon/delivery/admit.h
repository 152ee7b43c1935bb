// What stands between a claimed hint and a permit: a lane that is open, a provider that may be used, an in-flight slot
// and a rate token. Costs no attempt. One object a loop; the configured limits are the daemon's, divided by its loops.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "message/message.h"
#include "message/outcome.h"
#include "message/route.h"

namespace signet {

struct ProviderLimits {
  double rate_per_s = 0;  // 0: none
  double burst = 1;
  int in_flight = 64;     // requests under way
};

struct Admission {
  std::string provider;  // empty: refused
  std::string reason;    // why this one: "only", "weight"
  WallTime again_at;     // when refused
};

class Admit {
 public:
  Admit(const Routes& routes, std::map<std::string, ProviderLimits> limits, int64_t permit_start_ms, Random& random);

  Admission ask(const std::string& lane, Tick now, WallTime wall);
  void release(const std::string& provider);  // an admitted message got no permit, or its attempt ended
  // What an attempt showed: throttling pauses its lane; the duration says how many may wait behind the requests under
  // way and still start before their permits lapse.
  void learn(const std::string& lane, const std::string& provider, const Outcome& outcome, int64_t took_us, Tick now);
  std::vector<std::string> closed_lanes(Tick now) const;

 private:
  struct Gate {
    ProviderLimits limits;
    double tokens = 0;
    Tick filled_at;
    int admitted = 0;        // admitted and not yet released
    double mean_us = 20000;  // of a request; a guess until the first answer
  };
  int admitted_max(const Gate& gate) const;

  const Routes& routes_;
  std::map<std::string, Gate> gates_;
  std::map<std::string, Tick> paused_until_;  // by lane
  const int64_t permit_start_ms_;
  Random& random_;
};

}  // namespace signet
