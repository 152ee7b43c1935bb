// The invariants by their numbers, each in worlds where what endangers it happens. All worlds of the suite, with all
// that can happen in them, are run by `simulate`.
#include <catch2/catch.hpp>

#include <functional>
#include <set>

#include "tests/simulation/world.h"

using namespace signet;
using namespace signet::test;

namespace {

const MessagePool& pool() {
  static const MessagePool made;
  return made;
}

// Nothing goes wrong but what the test puts back.
void quiet(Knobs& knobs) {
  const auto providers = knobs.providers;
  Knobs calm;
  calm.daemons = knobs.daemons;
  calm.loops = knobs.loops;
  calm.messages = knobs.messages;
  calm.providers = providers;
  calm.acts = 6;
  calm.doubt_policy = 1;
  knobs = calm;
}

void hold(uint64_t first, uint64_t count, void (*limit)(Knobs&)) {
  for (uint64_t seed = first; seed < first + count; seed++) {
    SimOptions options;
    options.limit = limit;
    const Ended ended = simulate(seed, pool(), options);
    INFO("seed " << seed);
    for (const auto& fault : ended.faults) UNSCOPED_INFO(fault.invariant << ": " << fault.text);
    REQUIRE(ended.faults.empty());
  }
}

}  // namespace

TEST_CASE("I1 every accepted message ends, or stands in doubt, whatever dies") {
  hold(100'000, 100, [](Knobs& k) {
    quiet(k);
    k.kills = k.stops = k.store_down = k.redis_down = true;
  });
}

TEST_CASE("I2 no request comes without its committed permit, when COMMITs are lost or come late") {
  hold(200'000, 100, [](Knobs& k) {
    quiet(k);
    k.has_failing_store = k.store_down = k.store_cut = true;
  });
}

TEST_CASE("I3 an attempt is sent once, over all daemons, though two Redis servers hand it out") {
  hold(300'000, 100, [](Knobs& k) {
    quiet(k);
    k.daemons = 3;
    k.redis_split = k.redis_failover = k.has_failing_store = true;
  });
}

TEST_CASE("I4 the next attempt waits for a result, a void or a decision that allows it") {
  hold(400'000, 100, [](Knobs& k) {
    quiet(k);
    k.storms = k.people = k.kills = true;
    k.manners.fail = 30;
    k.manners.reset_lost = 10;
  });
}

TEST_CASE("I5 a provider with keys or look-ups has a message once, another one once for each decision") {
  hold(500'000, 100, [](Knobs& k) {
    quiet(k);
    k.kills = k.pauses = true;
    k.manners.reset_taken = k.manners.hang_taken = k.manners.garbage_taken = 15;
  });
}

TEST_CASE("I6 nothing is told as proven without the provider's word") {
  hold(600'000, 100, [](Knobs& k) {
    quiet(k);
    k.manners.refuse = k.manners.reset_lost = k.manners.hang_lost = k.manners.garbage_lost = 12;
  });
}

TEST_CASE("I7 attempt numbers have no gaps, and each message's entries are one chain") {
  hold(700'000, 100, [](Knobs& k) {
    quiet(k);
    k.people = k.expires = k.bad_rows = k.kills = true;
    k.manners.fail = 20;
  });
}

TEST_CASE("I8 a Redis that is flushed, rolled back or fails over, at any moment, loses and repeats nothing") {
  hold(800'000, 150, [](Knobs& k) {
    quiet(k);
    k.redis_down = k.redis_flush = k.redis_failover = k.redis_rollback = k.redis_split = true;
    k.acts = 10;
  });
}

TEST_CASE("I10 nothing is sent late: past its permit's deadline, its expiry or a confirmed cancel") {
  hold(1'000'000, 100, [](Knobs& k) {
    quiet(k);
    k.pauses = k.expires = k.people = true;
    k.manners.slow_connect = 30;
  });
}

TEST_CASE("I11 in any second no more leave than rate, burst and a chunk of each daemon") {
  hold(1'100'000, 60, [](Knobs& k) {
    quiet(k);
    k.messages = 100;
    k.rate_per_s = 20;
    k.burst = 5;
    k.kills = k.store_down = k.redis_down = k.redis_flush = true;
  });
}

TEST_CASE("I12 every priority has its turn, though windows are small and a provider is slow") {
  hold(1'200'000, 60, [](Knobs& k) {
    quiet(k);
    k.messages = 100;
    k.window = 8;
    k.batch = 4;
    k.manners.reply_us_max = 900'000;
  });
}

TEST_CASE("I13 what is in flight stays within the window, under a provider that hangs and a database that is gone") {
  hold(1'300'000, 60, [](Knobs& k) {
    quiet(k);
    k.messages = 100;
    k.window = 8;
    k.batch = 4;
    k.store_down = k.store_cut = true;
    k.manners.hang_lost = 40;
  });
}

TEST_CASE("I15 a daemon that was stopped longer than its lease sends nothing late and overwrites nothing") {
  hold(1'500'000, 100, [](Knobs& k) {
    quiet(k);
    k.daemons = 3;
    k.pauses = true;
    k.acts = 10;
    k.manners.reply_us_max = 900'000;
  });
}

TEST_CASE("I16 a seed leaves the same trace each time, and another one another") {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    const uint64_t hash = simulate(seed, pool()).hash;
    CHECK(simulate(seed, pool()).hash == hash);
    hashes.insert(hash);
  }
  CHECK(hashes.size() == 30);
}

TEST_CASE("a bug put into the engine's surroundings is found within 2,000 worlds") {
  const std::string plant = GENERATE(from_range(all_plants()));
  SimOptions options;
  options.plant = plant;
  uint64_t seed = 1;
  while (seed <= 2000 && simulate(seed, pool(), options).faults.empty()) seed++;
  INFO(plant);
  CHECK(seed <= 2000);
}
