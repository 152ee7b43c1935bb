// What must hold when everything has ended (design: engine, "What must always hold"). What must hold at each request
// stands with the judge.
#pragma once

#include <vector>

#include "tests/simulation/knobs.h"
#include "tests/simulation/sim_provider.h"

namespace signet::test {

// Leaves its faults with the judge.
void check_end(const MemoryStore& store, Judge& judge, const Knobs& knobs, const std::vector<Uuid>& accepted,
               bool has_settled);

}  // namespace signet::test
