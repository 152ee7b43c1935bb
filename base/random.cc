#include "base/random.h"

#include <openssl/rand.h>

#include "base/check.h"

namespace signet {

uint64_t Random::next() {
  uint64_t value = 0;
  fill(&value, sizeof value);
  return value;
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

uint64_t Random::below(uint64_t bound) {
  SIGNET_CHECK(bound > 0);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;  // above it the remainder would favour small values
  for (;;) {
    const uint64_t value = next();
    if (value < limit) return value % bound;
  }
}

void SystemRandom::fill(void* to, size_t bytes) {
  SIGNET_CHECK(RAND_bytes(static_cast<unsigned char*>(to), static_cast<int>(bytes)) == 1);
}

}  // namespace signet
