// What happened in a simulated world, as one number that two runs of a seed must share, and as text when asked for.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "tests/simulation/sim_time.h"

namespace signet::test {

class Trace {
 public:
  Trace(const SimTime& time, std::FILE* out) : time_(time), out_(out) {}
  void note(std::string_view what, int64_t who = 0, int64_t number = 0) {
    add(static_cast<uint64_t>(time_.now_us()));
    for (const char c : what) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * kPrime;
    add(static_cast<uint64_t>(who));
    add(static_cast<uint64_t>(number));
    if (out_)
      std::fprintf(out_, "%10.6f %.*s %lld %lld\n", static_cast<double>(time_.now_us()) / 1e6,
                   static_cast<int>(what.size()), what.data(), static_cast<long long>(who),
                   static_cast<long long>(number));
  }
  uint64_t hash() const { return hash_; }

 private:
  static constexpr uint64_t kPrime = 0x100000001b3;  // FNV-1a's
  void add(uint64_t word) { hash_ = (hash_ ^ word) * kPrime; }

  const SimTime& time_;
  std::FILE* const out_;
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace signet::test
