// A whole world from a seed: servers, providers, daemons, people, and what goes wrong with them. It lives until all is
// well again and everything has ended, and then is held against the invariants.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/simulation/knobs.h"
#include "tests/simulation/pool.h"
#include "tests/simulation/sim_provider.h"

namespace signet::test {

struct Ended {
  std::vector<Fault> faults;
  uint64_t hash = 0;  // of the trace
  int64_t events = 0, requests = 0, simulated_us = 0;
};

struct SimOptions {
  std::FILE* trace = nullptr;
  std::string plant;                // a bug put in on purpose
  void (*limit)(Knobs&) = nullptr;  // what may happen, of what the seed drew
};

Ended simulate(uint64_t seed, const MessagePool& pool, const SimOptions& options = {});

const std::vector<std::string>& all_plants();

}  // namespace signet::test
