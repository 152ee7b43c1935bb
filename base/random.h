// Where chance comes from. Handed down from main, so that a simulation can replay a seed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace signet {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(void* to, size_t bytes) = 0;
  uint64_t next();
  double unit();                   // in [0, 1)
  uint64_t below(uint64_t bound);  // in [0, bound), bound > 0; unbiased
};

// The operating system's generator through OpenSSL; any thread, fit for keys and nonces.
class SystemRandom : public Random {
 public:
  void fill(void* to, size_t bytes) override;
};

}  // namespace signet
