// What operators paused, carried to the loops of this daemon, and what these see of their providers, carried back for
// whoever looks (GET /api/providers). While PostgreSQL is away what was read last stays. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "message/pauses.h"
#include "store/pg_session.h"
#include "store/provider_health.h"

namespace signet {

class PauseWatch {
 public:
  // `tell`: once at first, then when something was paused or resumed. `health`: of every loop, in any order.
  PauseWatch(PgOptions postgres, std::string instance, const Clock& clock, std::function<void(const Pauses&)> tell,
             std::function<std::vector<ProviderHealth>()> health)
      : postgres_(std::move(postgres)),
        instance_(std::move(instance)),
        clock_(clock),
        tell_(std::move(tell)),
        health_(std::move(health)) {}
  bool pass();  // a few times a second

 private:
  const PgOptions postgres_;
  const std::string instance_;
  const Clock& clock_;
  const std::function<void(const Pauses&)> tell_;
  const std::function<std::vector<ProviderHealth>()> health_;
  std::unique_ptr<PgSession> session_;
  std::optional<Pauses> told_;
  std::optional<Tick> written_at_;
};

// One row a provider: slots are the loops' and add up; breakers are the daemon's, alike in every loop.
std::vector<ProviderHealth> by_provider(const std::vector<ProviderHealth>& of_loops);

}  // namespace signet
