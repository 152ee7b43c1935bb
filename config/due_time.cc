#include "config/due_time.h"

#include <chrono>

namespace signet {
namespace {

constexpr uint64_t kAllDays = 0xfffffffe, kAllWeekdays = 0x7f;
constexpr int64_t kMinuteUs = 60'000'000;
constexpr int kDaysMax = 8 * 366;  // a 29th of February past 2100

bool has(uint64_t bits, unsigned value) { return bits >> value & 1; }

bool is_day(const Cron& cron, std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  if (!has(cron.months, unsigned(date.month()))) return false;
  const bool is_date = has(cron.days, unsigned(date.day()));
  const bool is_weekday = has(cron.weekdays, std::chrono::weekday(day).c_encoding());
  if (cron.days == kAllDays) return is_weekday;
  if (cron.weekdays == kAllWeekdays) return is_date;
  return is_date || is_weekday;
}

}  // namespace

std::optional<WallTime> next_due(const Cron& cron, WallTime after) {
  const int64_t minute = after.us / kMinuteUs + 1;
  auto day = std::chrono::sys_days(std::chrono::days(minute / 1440));
  auto from = static_cast<unsigned>(minute % 1440);
  for (int i = 0; i < kDaysMax; i++, day += std::chrono::days(1), from = 0) {
    if (!is_day(cron, day)) continue;
    for (unsigned m = from; m < 1440; m++)
      if (has(cron.hours, m / 60) && has(cron.minutes, m % 60))
        return WallTime{(int64_t{day.time_since_epoch().count()} * 1440 + m) * kMinuteUs};
  }
  return std::nullopt;
}

}  // namespace signet
