#include "tests/chaos/accept.h"

namespace signet::chaos {

int run_accept(int, uint64_t) { return 2; }

}  // namespace signet::chaos
