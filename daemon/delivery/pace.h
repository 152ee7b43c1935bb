// What the loops of a daemon share about its providers: their rate and their breakers.
#pragma once

#include <map>
#include <string>

#include "daemon/delivery/breaker.h"
#include "daemon/delivery/token_bank.h"

namespace signet {

struct ProviderLimits {
  double rate_per_s = 0;  // of all daemons together; 0: none
  double burst = 1;
  int in_flight = 64;  // messages between permit and result: no more than these can ever be in doubt at once
};

class Pace {  // any thread
 public:
  // Of each provider; in_flight is not looked at here: a loop has its own share of the slots.
  Pace(const std::map<std::string, ProviderLimits>& limits, const BreakerSettings& settings, Tick now);

  TokenBank& tokens() { return tokens_; }
  Breaker& breaker(const std::string& provider) { return breakers_.at(provider); }  // one of `limits`

 private:
  TokenBank tokens_;
  std::map<std::string, Breaker> breakers_;
};

}  // namespace signet
