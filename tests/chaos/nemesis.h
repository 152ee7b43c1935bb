// What goes wrong, by a seed: fifteen kinds of acts, each as often as there are rounds, one after another, each healed.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/chaos/fleet.h"
#include "tests/fakes/random.h"

namespace signet::chaos {

struct NemesisSettings {
  uint64_t seed = 1;
  int seconds = 600;
  int rounds = 2;
  bool has_loss = true;  // iptables may be used: root, in a network of our own
};

class Nemesis {
 public:
  Nemesis(Fleet& fleet, NemesisSettings settings);
  // Takes `seconds`; says on standard output what it does. All daemons run and all servers are well when it returns.
  void run();
  const std::map<std::string, int>& done() const { return done_; }    // kind -> times
  const std::vector<std::string>& faults() const { return faults_; }  // daemons that ended by themselves, ...
  const std::vector<std::pair<WallTime, WallTime>>& outages() const { return outages_; }  // of PostgreSQL
  // For the accept runs.
  void stop_postgres();
  void start_postgres();

 private:
  struct Kind;
  static const std::vector<Kind>& kinds();
  void act(const Kind& kind, int64_t lasts_ms);
  void wait_ms(int64_t ms);
  void dump_redis();
  void look_at_daemons();
  void lose(int daemon, const char* how);  // "-A" or "-D"
  double elapsed_s() const;

  Fleet& fleet_;
  const NemesisSettings settings_;
  SeededRandom random_;
  WallTime started_at_;
  std::map<std::string, int> done_;
  std::vector<std::string> faults_;
  std::vector<std::pair<WallTime, WallTime>> outages_;
  std::vector<std::pair<WallTime, std::string>> dumps_;  // of Redis, oldest first
  bool is_redis_well_ = true;
};

}  // namespace signet::chaos
