#include "message/window.h"

#include <algorithm>

namespace signet {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kDayUs = 1440 * kMinuteUs;
constexpr int64_t kSearchUs = 8 * kDayUs;  // a time of day that suits all zones comes daily, but for a change of law

int64_t in_day(int64_t us) { return (us % kDayUs + kDayUs) % kDayUs; }

}  // namespace

Result<std::unique_ptr<QuietHours>> QuietHours::make(QuietSettings settings) {
  std::unique_ptr<QuietHours> out(new QuietHours(std::move(settings)));
  for (const auto& name : out->settings_.default_zones) {
    auto zone = Zone::load(name);
    if (!zone) return Error{zone.error().code, name + ": " + zone.error().text};
    out->default_zones_.push_back(std::make_shared<const Zone>(std::move(*zone)));
  }
  return out;
}

bool QuietHours::is_quiet(const Zone& zone, WallTime at) const {
  const int64_t minute = in_day(at.us + zone.offset_s(at) * int64_t{1'000'000}) / kMinuteUs;
  const bool is_from = minute >= settings_.from_min, is_before = minute < settings_.to_min;
  return settings_.from_min < settings_.to_min ? is_from && is_before : is_from || is_before;
}

// When it becomes quiet, or ends being so: at a minute of the day, or because the clock is put forward or back over it.
WallTime QuietHours::next_flip(const Zone& zone, WallTime at) const {
  const bool is_quiet_now = is_quiet(zone, at);
  for (;;) {
    const int64_t local = in_day(at.us + zone.offset_s(at) * int64_t{1'000'000});
    const int64_t until = in_day((is_quiet_now ? settings_.to_min : settings_.from_min) * kMinuteUs - local);
    const WallTime flip{at.us + until};
    const auto change = zone.next_change(at);
    if (!change || *change > flip) return flip;
    if (is_quiet(zone, *change) != is_quiet_now) return *change;
    at = *change;
  }
}

std::optional<WallTime> QuietHours::next_open(const Zones& zones, WallTime at) const {
  const int64_t last_us = at.us + kSearchUs;
  while (at.us < last_us) {
    const auto quiet = std::find_if(zones.begin(), zones.end(), [&](const auto& zone) { return is_quiet(*zone, at); });
    if (quiet == zones.end()) return at;
    at = next_flip(**quiet, at);
  }
  return std::nullopt;
}

QuietHours::Zones QuietHours::zones_of(std::string_view time_zone) const {
  if (time_zone.empty()) return default_zones_;
  std::lock_guard guard(lock_);
  auto known = known_.find(time_zone);
  if (known == known_.end()) {
    auto zone = Zone::load(time_zone);
    known = known_.emplace(time_zone, zone ? std::make_shared<const Zone>(std::move(*zone)) : nullptr).first;
  }
  return known->second ? Zones{known->second} : default_zones_;
}

Window QuietHours::window(Priority priority, bool is_urgent, std::string_view time_zone, WallTime earliest,
                          std::optional<WallTime> expires_at) const {
  Window out{earliest, expires_at};
  if (is_urgent || !settings_.applies_to[static_cast<size_t>(priority) - 1]) return out;
  Zones zones = zones_of(time_zone);
  auto opens = next_open(zones, earliest);
  if (!opens) {
    zones.resize(1);
    opens = next_open(zones, earliest);
  }
  if (!opens) return out;
  out.due_at = *opens;
  WallTime closes = next_flip(*zones.front(), *opens);
  for (const auto& zone : zones) closes = std::min(closes, next_flip(*zone, *opens));
  out.send_until = expires_at ? std::min(*expires_at, closes) : closes;
  if (expires_at) out.due_at = std::min(out.due_at, std::max(earliest, *expires_at));
  return out;
}

}  // namespace signet
