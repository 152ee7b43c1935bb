#include "tests/simulation/knobs.h"

namespace signet::test {
namespace {

Manners draw_manners(SeededRandom& chance) {
  Manners m;
  auto now_and_then = [&](int& percent, int most) {
    percent = chance.below(2) == 0 ? static_cast<int>(chance.below(static_cast<uint64_t>(most))) : 0;
  };
  now_and_then(m.throttle, 10);
  now_and_then(m.fail, 15);
  now_and_then(m.refuse, 5);
  now_and_then(m.connect, 10);
  now_and_then(m.slow_connect, 8);
  now_and_then(m.reset_taken, 8);
  now_and_then(m.reset_lost, 8);
  now_and_then(m.hang_taken, 5);
  now_and_then(m.hang_lost, 5);
  now_and_then(m.garbage_taken, 5);
  now_and_then(m.garbage_lost, 5);
  m.reply_us_max = chance.below(4) == 0 ? 1'500'000 : 50'000;
  return m;
}

}  // namespace

Knobs draw_knobs(SeededRandom& chance) {
  Knobs k;
  auto coin = [&] { return chance.below(2) == 0; };
  k.daemons = 1 + static_cast<int>(chance.below(3));
  k.loops = 1 + static_cast<int>(chance.below(2));
  k.messages = 8 + static_cast<int>(chance.below(17));
  k.window = chance.below(4) == 0 ? 8 : 64;
  k.batch = k.window == 8 ? 4 : 16;
  k.trouble_us = 3'000'000 + static_cast<int64_t>(chance.below(5'000'000));
  for (bool* kind : {&k.has_failing_queue, &k.has_failing_store, &k.kills, &k.pauses, &k.stops, &k.steps_clocks,
                     &k.redis_down, &k.redis_flush, &k.redis_failover, &k.redis_rollback, &k.redis_split, &k.store_down,
                     &k.store_cut, &k.bad_rows, &k.people, &k.storms, &k.expires})
    *kind = coin();
  if (coin()) k.disk_bytes = chance.below(6000);
  k.acts = static_cast<int>(chance.below(10));
  if (chance.below(4) == 0) {
    k.rate_per_s = 20 + static_cast<double>(chance.below(80));
    k.burst = 1 + static_cast<double>(chance.below(10));
  }
  static constexpr DoubtClass kClasses[]{DoubtClass::idempotent, DoubtClass::queryable, DoubtClass::blind};
  const int providers = 1 + static_cast<int>(chance.below(2));
  for (int i = 0; i < providers; i++) {
    SimProvider::Traits traits;
    traits.name = "provider-" + std::to_string(i);
    traits.doubt_class = kClasses[chance.below(3)];
    traits.has_receipts = coin();
    if (coin()) traits.key_life_ms = 6000;
    k.providers.push_back(traits);
  }
  k.manners = draw_manners(chance);
  k.doubt_policy = static_cast<int>(chance.below(3));
  return k;
}

}  // namespace signet::test
