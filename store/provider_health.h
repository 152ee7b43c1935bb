// What each daemon last saw of its providers, for whoever looks at them all. None of it is evidence.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/pg_session.h"

namespace signet {

enum class BreakerState { closed, half_open, open };  // from good to bad
std::string_view name(BreakerState state);
std::optional<BreakerState> parse_breaker_state(std::string_view text);

struct ProviderHealth {  // of one daemon, or of one of its loops
  std::string provider;
  BreakerState breaker = BreakerState::closed;
  std::string reason;                    // why it opened; empty while closed
  WallTime since;                        // that the breaker is as it is
  int64_t attempts = 0, errors = 0;      // within the breaker's window
  int in_use = 0, in_flight = 0;         // slots taken, and how many there are
  std::optional<WallTime> paused_until;  // throttled by the provider itself
};

// A daemon's rows are these from now on; those of daemons that have not written for `forget_after_ms` go.
Result<void> write_health(PgSession& session, const std::string& instance, const std::vector<ProviderHealth>& rows,
                          int64_t forget_after_ms);

struct SeenHealth : ProviderHealth {
  std::string instance;
  WallTime seen_at;  // by the server's clock
};
Result<std::vector<SeenHealth>> read_health(PgTransaction& tx);  // by provider, then instance

}  // namespace signet
