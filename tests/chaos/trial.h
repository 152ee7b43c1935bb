// The end of every run: servers healed, the system at rest, then the verdict of the oracle and its one line of counts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/chaos/fleet.h"
#include "tests/chaos/load.h"

namespace signet::chaos {

// A network of our own with nothing in it but loopback; false where the kernel refuses it (no root).
bool enter_private_network();

// Starts all daemons, waits until they are ready, and gives the tokens that a run needs.
Tokens start_all(Fleet& fleet);

class Trial {
 public:
  Trial(Fleet& fleet, std::string name) : fleet_(fleet), name_(std::move(name)) {}
  void fault(const std::string& text);  // printed at once; the run has failed
  // Waits until nothing is due, permitted or to be matched, at most so long; what is left is a fault.
  void drain(int seconds);
  // Oracle, `signetd verify`, the daemons' own two counters. Prints the faults and the line of counts.
  void conclude(const Load& load, const std::string& admin_token);
  // First byte at the judge against the approval's 200, of those approved while PostgreSQL was there.
  void judge_criticals(const Load& load, const std::vector<std::pair<WallTime, WallTime>>& outages, int64_t p99_max_ms);
  int status() const { return faults_.empty() ? 0 : 1; }

 private:
  Fleet& fleet_;
  const std::string name_;
  std::vector<std::string> faults_;
};

// The least value that `share` of them do not exceed; 0 of none. Sorts.
int64_t percentile(std::vector<int64_t>& values, double share);

}  // namespace signet::chaos
