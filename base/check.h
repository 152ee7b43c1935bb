// A bug aborts: systemd restarts the daemon, leases lapse, nothing is guessed. Never for bad input or a failed
// environment, which are a Result.
#pragma once

namespace signet {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace signet

#define SIGNET_CHECK(condition)                                               \
  do {                                                                        \
    if (!(condition)) ::signet::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
