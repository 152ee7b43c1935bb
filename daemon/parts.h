// What every part of the running daemon is given. Made before any of them and outlives them; used by all their threads.
#pragma once

#include "base/ids.h"
#include "base/log.h"
#include "base/random.h"
#include "base/server_clock.h"
#include "config/config.h"
#include "daemon/metrics.h"
#include "store/keyring.h"
#include "store/pg_session.h"

namespace signet {

struct Parts {
  const Config& config;
  Log& log;
  ServerClock& clock;
  Random& random;
  IdSource& ids;
  Metrics& metrics;
  const Keyring& keys;
  const PgOptions& postgres;  // the login signet_app's
};

}  // namespace signet
