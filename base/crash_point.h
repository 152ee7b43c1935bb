// Places where a test may end this process as `kill -9` would: between any two steps whose order is the safety (design:
// engine, I14). In builds with tests only (SIGNET_HOOKS, see CMakeLists.txt); elsewhere a point is nothing at all.
//
// What is armed is global, against the house's rule: points stand in drivers' callbacks as well as in handlers, and a
// switch handed down to all of them would cost more than it says. It is written once, before the first thread.
#pragma once

#ifdef SIGNET_HOOKS

#include <atomic>
#include <span>
#include <string_view>

#include "base/result.h"

namespace signet {

enum class CrashPoint : int {
  none,
#define SIGNET_CRASH(name, text) name,
#include "base/crash_points.def"
#undef SIGNET_CRASH
};

struct CrashPointText {
  std::string_view name, text;  // text: what has just happened
};
std::span<const CrashPointText> crash_points();  // in the order of the .def

// `NAME` or `NAME:N`: the N-th time that the process comes by, the first unless said, it dies by SIGKILL.
Result<void> arm_crash(std::string_view where);

namespace crash {
inline std::atomic<CrashPoint> armed = CrashPoint::none;
void reached();
}  // namespace crash

inline void reach(CrashPoint point) {  // any thread
  if (crash::armed.load(std::memory_order_relaxed) == point) [[unlikely]]
    crash::reached();
}

}  // namespace signet

#define SIGNET_CRASH_POINT(name) ::signet::reach(::signet::CrashPoint::name)

#else
#define SIGNET_CRASH_POINT(name) static_cast<void>(0)
#endif
