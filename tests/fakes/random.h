// Chance that a seed repeats: xoshiro256** (Blackman and Vigna), its state filled by splitmix64. Never for keys. Any
// thread, though only one thread sees a sequence that repeats.
#pragma once

#include <bit>
#include <cstring>
#include <mutex>

#include "base/random.h"

namespace signet {

class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  void fill(void* to, size_t bytes) override {
    std::lock_guard guard(lock_);
    auto* at = static_cast<unsigned char*>(to);
    while (bytes > 0) {
      const uint64_t word = step();
      const size_t part = bytes < sizeof word ? bytes : sizeof word;
      std::memcpy(at, &word, part);
      at += part;
      bytes -= part;
    }
  }

 private:
  uint64_t step() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  std::mutex lock_;
  uint64_t state_[4];
};

}  // namespace signet
