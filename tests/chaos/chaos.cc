// ./dev chaos: three daemons, real servers, a judge and a nemesis.
//   chaos [--seconds S] [--seed N] [--rounds R]    load under the nemesis; S/15 per act and round
//   chaos --accept 2|3|4|5|6 [--seed N] [--bulk M]   one of the accept runs of the engine
// Exit status 0: nothing lost, nothing twice, no contract broken. 1: something was. 2: usage.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/chaos/accept.h"
#include "tests/chaos/nemesis.h"
#include "tests/chaos/trial.h"

using namespace signet;
using namespace signet::chaos;

namespace {

constexpr int64_t kCriticalP99MaxMs = 2000;
constexpr double kRateMin = 300;
// Shorter runs are for the suite: sanitized, on machines that do other things too, an act each few seconds.
constexpr int kSpeedCountsFromS = 300;
// Put in directly where speed counts: a tenth of the time PostgreSQL is away or comes back, and the rest has to make up
// for it.
constexpr double kDirectPerS = 350;
constexpr int kDrainS = 120;

int usage() {
  std::fprintf(stderr, "usage: chaos [--seconds S] [--seed N] [--rounds R] | --accept 2|3|4|5 [--seed N] [--bulk M]\n");
  return 2;
}

int run_nemesis(uint64_t seed, int seconds, int rounds, bool has_loss) {
  Fleet fleet({.seed = seed});
  const Tokens tokens = start_all(fleet);
  Trial trial(fleet, "seed " + std::to_string(seed));
  LoadSettings settings;
  if (seconds >= kSpeedCountsFromS) settings.direct_per_s = kDirectPerS;
  Load load(fleet, settings, tokens, seed);
  Nemesis nemesis(fleet, {.seed = seed, .seconds = seconds, .rounds = rounds, .has_loss = has_loss});
  const WallTime start = fleet.clock.wall();
  nemesis.run();
  const double took_s = static_cast<double>(fleet.clock.wall().us - start.us) / 1e6;
  load.stop();
  for (const auto& fault : nemesis.faults()) trial.fault(fault);
  fleet.set_mix("calm");
  for (int d = 0; d < kDaemons; d++) fleet.wait_ready(d);
  trial.drain(kDrainS);

  int acts = 0;
  for (const auto& [kind, times] : nemesis.done()) {
    std::printf("act %-20s x%d\n", kind.c_str(), times);
    acts += times;
  }
  if (!has_loss) std::printf("act %-20s LEFT OUT: needs root, and iptables\n", "loss");
  const double rate = static_cast<double>(load.accepted) / took_s;
  std::printf(
      "load: %d acts of %zu kinds in %.0f s; %lld messages, %.0f/s, %lld of them by the API, %lld refusals; "
      "%zu cancelled, %lld resolved, %lld requeued\n",
      acts, nemesis.done().size(), took_s, static_cast<long long>(load.accepted), rate,
      static_cast<long long>(load.by_api()), static_cast<long long>(load.refusals()), load.cancelled().size(),
      static_cast<long long>(load.resolved()), static_cast<long long>(load.requeued()));
  if (seconds >= kSpeedCountsFromS && rate < kRateMin) trial.fault("load: less than 300 messages a second");
  std::printf("judge: %s\n", fleet.judge("GET", "/judge/summary").body.c_str());
  trial.judge_criticals(load, nemesis.outages(), seconds >= kSpeedCountsFromS ? kCriticalP99MaxMs : INT64_MAX);
  trial.conclude(load, tokens.admin);
  return trial.status();
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, long> words{
      {"--seconds", 600}, {"--seed", 1}, {"--rounds", 2}, {"--accept", 0}, {"--bulk", 1'000'000}};
  for (int i = 1; i < argc; i += 2) {
    const auto word = words.find(argv[i]);
    if (word == words.end() || i + 1 == argc) return usage();
    word->second = std::strtol(argv[i + 1], nullptr, 10);
  }
  const bool has_network = enter_private_network();
  const bool has_loss = has_network && std::system("iptables -L -n >/dev/null 2>&1") == 0;
  if (!has_loss)
    std::printf("chaos: INCOMPLETE: no packets are lost, since there is no root or no iptables (./dev chaos has it)\n");
  const auto seed = static_cast<uint64_t>(words["--seed"]);
  try {
    if (words["--accept"] != 0) return run_accept(static_cast<int>(words["--accept"]), seed, words["--bulk"]);
    return run_nemesis(seed, static_cast<int>(words["--seconds"]), static_cast<int>(words["--rounds"]), has_loss);
  } catch (const std::exception& fault) {
    std::printf("chaos: broke off: %s\n", fault.what());
    return 1;
  }
}
