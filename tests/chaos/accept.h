// The accept runs of the engine that need a fleet: 2 (Redis dies under load), 3 (critical beside a million of bulk), 4
// (one rate over three daemons), 5 (PostgreSQL away for a minute), 6 (a provider away for half of one).
#pragma once

#include <cstdint>

namespace signet::chaos {

// `bulk`: how many of run 3. The exit status; throws when a server does not start.
int run_accept(int number, uint64_t seed, int64_t bulk);

}  // namespace signet::chaos
