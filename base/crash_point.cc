#include "base/crash_point.h"

#ifdef SIGNET_HOOKS

#include <charconv>
#include <csignal>
#include <string>

namespace signet {
namespace {

constexpr CrashPointText kPoints[] = {
#define SIGNET_CRASH(name, text) {#name, text},
#include "base/crash_points.def"
#undef SIGNET_CRASH
};

std::atomic<int> times_left = 0;

Error bad(std::string_view where) {
  return {ErrorCode::invalid,
          "no crash point: " + std::string(where) + ": write NAME or NAME:N, see `signetd crash-points`"};
}

}  // namespace

std::span<const CrashPointText> crash_points() { return kPoints; }

Result<void> arm_crash(std::string_view where) {
  const std::string_view name = where.substr(0, where.find(':'));
  int times = 1;
  if (name.size() < where.size()) {
    const char* const end = where.data() + where.size();
    const auto read = std::from_chars(name.data() + name.size() + 1, end, times);
    if (read.ec != std::errc() || read.ptr != end || times < 1) return bad(where);
  }
  for (size_t i = 0; i < std::size(kPoints); i++) {
    if (kPoints[i].name != name) continue;
    times_left = times;
    crash::armed = static_cast<CrashPoint>(i + 1);  // `none` is before the first
    return {};
  }
  return bad(where);
}

void crash::reached() {
  if (--times_left == 0) std::raise(SIGKILL);
}

}  // namespace signet

#endif
