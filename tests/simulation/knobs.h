// What a seed's world is like and what may happen in it. Each kind of trouble is absent from half of the worlds: what
// always happens together hides what happens alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "providers/provider.h"
#include "tests/fakes/random.h"
#include "tests/simulation/sim_provider.h"

namespace signet::test {

// Short, so that a world of a few seconds sees them all pass.
inline constexpr int64_t kPermitStartMs = 500, kRequestMs = 1000, kLeaseMs = 2000, kOverdueMs = 2500,
                         kDoubtWaitMs = 1000;

struct Knobs {
  int daemons = 1, loops = 1, messages = 8, window = 64, batch = 16;
  int64_t trouble_us = 5'000'000;  // from the beginning until all is well again
  bool has_failing_queue = false;  // calls to Redis are lost
  bool has_failing_store = false;  // COMMITs are lost, come late, deadlock
  bool kills = false, pauses = false, stops = false, steps_clocks = false;
  bool redis_down = false, redis_flush = false, redis_failover = false, redis_rollback = false, redis_split = false;
  bool store_down = false, store_cut = false, bad_rows = false;
  bool people = false, storms = false, expires = false;
  int acts = 6;
  size_t disk_bytes = 1 << 20;  // of each daemon, for its spool
  double rate_per_s = 0, burst = 1;
  std::vector<SimProvider::Traits> providers;
  Manners manners;
  int doubt_policy = 0;  // 0: an operator's, 1: resend, 2: fail
};

Knobs draw_knobs(SeededRandom& chance);

}  // namespace signet::test
