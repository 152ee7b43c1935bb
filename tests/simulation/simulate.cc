// simulate [--seeds A..B] [--seed N [--trace]] [--go-on] [--plant NAME] [--processes N]: runs worlds by their seeds.
// Ends with 1 at the first seed that breaks an invariant (--go-on: after the last), and says how to see it again. With
// --plant a bug is put in, and the run must find it: 0 if it did.
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/clock.h"
#include "tests/simulation/world.h"

namespace signet::test {
namespace {

struct Asked {
  uint64_t first = 1, last = 1000;
  bool is_traced = false;
  bool goes_on = false;  // past a seed that failed
  int processes = 1;
  std::string plant;
};

int usage() {
  std::fputs("usage: simulate [--seeds A..B] [--seed N] [--trace] [--go-on] [--plant NAME] [--processes N]\n", stderr);
  return 2;
}

void tell(uint64_t seed, const Ended& ended) {
  for (const auto& fault : ended.faults)
    std::printf("seed %" PRIu64 ": %s is broken: %s\n", seed, fault.invariant.c_str(), fault.text.c_str());
}

// Seeds first, first + step, ... to last.
int run(const Asked& asked, uint64_t first, uint64_t step) {
  const MessagePool pool;
  const SystemClock clock;
  const Tick began = clock.tick();
  int64_t events = 0, requests = 0;
  uint64_t count = 0, failed = 0;
  for (uint64_t seed = first; seed <= asked.last; seed += step) {
    SimOptions options;
    options.plant = asked.plant;
    if (asked.is_traced) options.trace = stdout;
    const Ended ended = simulate(seed, pool, options);
    events += ended.events;
    requests += ended.requests;
    count++;
    if (!ended.faults.empty()) {
      tell(seed, ended);
      std::printf("again, with what happened: simulate --seed %" PRIu64 " --trace%s%s\n", seed,
                  asked.plant.empty() ? "" : " --plant ", asked.plant.c_str());
      std::fflush(stdout);
      failed++;
      if (!asked.goes_on) return 1;
      continue;
    }
    const bool is_repeated = count % 100 == 0;
    if (is_repeated && simulate(seed, pool, options).hash != ended.hash) {
      std::printf("seed %" PRIu64 ": I16 is broken: a second run went another way\n", seed);
      return 1;
    }
    if (asked.is_traced) std::printf("hash %016" PRIx64 "\n", ended.hash);
  }
  const double seconds = static_cast<double>(clock.tick().us - began.us) / 1e6;
  std::printf("simulate: %" PRIu64 " seeds, %" PRId64 " events, %" PRId64 " requests, %.1f s, %" PRIu64
              " seeds broke an invariant\n",
              count, events, requests, seconds, failed);
  return failed == 0 ? 0 : 1;
}

int run_all(const Asked& asked) {
  if (asked.processes == 1) return run(asked, asked.first, 1);
  for (int i = 0; i < asked.processes; i++)
    if (fork() == 0) {
      const int code = run(asked, asked.first + static_cast<uint64_t>(i), static_cast<uint64_t>(asked.processes));
      std::fflush(stdout);
      _exit(code);
    }
  int worst = 0, status = 0;
  while (wait(&status) > 0)
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) worst = 1;
  return worst;
}

int main(int argc, char** argv) {
  Asked asked;
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    if (name == "--trace") {
      asked.is_traced = true;
      continue;
    }
    if (name == "--go-on") {
      asked.goes_on = true;
      continue;
    }
    if (++i == argc) return usage();
    const char* value = argv[i];
    if (name == "--seed") {
      asked.first = asked.last = std::strtoull(value, nullptr, 10);
    } else if (name == "--seeds") {
      const char* last = std::strstr(value, "..");
      if (!last) return usage();
      asked.first = std::strtoull(value, nullptr, 10);
      asked.last = std::strtoull(last + 2, nullptr, 10);
    } else if (name == "--plant") {
      asked.plant = value;
    } else if (name == "--processes") {
      asked.processes = std::max(1, std::atoi(value));
    } else {
      return usage();
    }
  }
  const int code = run_all(asked);
  return asked.plant.empty() ? code : 1 - code;
}

}  // namespace
}  // namespace signet::test

int main(int argc, char** argv) { return signet::test::main(argc, argv); }
