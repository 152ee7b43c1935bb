#include "base/clock.h"

#ifdef SIGNET_HOOKS
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <chrono>
#include <cstdio>
#include <ctime>

#include "base/check.h"

namespace signet {
namespace {

int64_t microseconds_of(clockid_t which) {
  timespec now{};
  SIGNET_CHECK(::clock_gettime(which, &now) == 0);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

// Takes exactly `digits` decimal digits off the front.
bool take_number(std::string_view& text, size_t digits, int& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (size_t i = 0; i < digits; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char wanted, char or_else) {
  if (text.empty() || (text.front() != wanted && text.front() != or_else)) return false;
  text.remove_prefix(1);
  return true;
}

bool take_fraction(std::string_view& text, int& us) {
  us = 0;
  if (!take(text, '.', '.')) return true;
  int digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; digits++, text.remove_prefix(1))
    if (digits < 6) us = us * 10 + (text.front() - '0');
  for (int i = digits; i < 6; i++) us *= 10;
  return digits > 0;
}

bool take_offset(std::string_view& text, int& minutes) {
  minutes = 0;
  if (take(text, 'Z', 'z')) return true;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return false;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  int h = 0, m = 0;
  if (!take_number(text, 2, h) || !take(text, ':', ':') || !take_number(text, 2, m) || h > 23 || m > 59) return false;
  minutes = sign * (h * 60 + m);
  return true;
}

constexpr int64_t kSecondsADay = 86'400;
constexpr int64_t kUsMax = 253'402'300'800'000'000 - 1;  // the last of 9999 in UTC

}  // namespace

WallTime SystemClock::wall() const {
  const int64_t offset_us = offset_us_ ? offset_us_->load(std::memory_order_relaxed) : 0;
  return {microseconds_of(CLOCK_REALTIME) + offset_us};
}
Tick SystemClock::tick() const { return {microseconds_of(CLOCK_BOOTTIME)}; }

#ifdef SIGNET_HOOKS
Result<const std::atomic<int64_t>*> map_clock_offset(const std::string& file) {
  using Offset = std::atomic<int64_t>;
  static_assert(sizeof(Offset) == 8 && Offset::is_always_lock_free);
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about {};
  const bool is_whole = fd >= 0 && ::fstat(fd, &about) == 0 && about.st_size == sizeof(Offset);
  void* const at = is_whole ? ::mmap(nullptr, sizeof(Offset), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (fd >= 0) ::close(fd);
  if (at == MAP_FAILED) return Error{ErrorCode::io, file + ": write the clock's offset into it, 8 octets"};
  return static_cast<const Offset*>(at);
}
#endif

std::string rfc3339(WallTime time) {
  using namespace std::chrono;
  const auto at = sys_time<microseconds>(microseconds(time.us));
  const auto day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss clock(at - day);
  // By hand: it is written into every event, and snprintf costs more than hashing the event does.
  std::string out = "0000-00-00T00:00:00.000000Z";
  auto put = [&out](size_t last, int64_t value) {
    for (; value > 0; value /= 10) out[last--] = static_cast<char>('0' + value % 10);
  };
  put(3, int{date.year()});
  put(6, unsigned{date.month()});
  put(9, unsigned{date.day()});
  put(12, clock.hours().count());
  put(15, clock.minutes().count());
  put(18, clock.seconds().count());
  put(25, clock.subseconds().count());
  return out;
}

std::string rfc3339_ms(WallTime time) {
  std::string out = rfc3339(time);
  out.erase(23, 3);
  return out;
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const auto bad = [] { return Error{ErrorCode::invalid, "not a time of RFC 3339: write 2026-11-22T00:41:26Z"}; };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, us = 0, offset = 0;
  const bool is_whole = take_number(text, 4, year) && take(text, '-', '-') && take_number(text, 2, month) &&
                        take(text, '-', '-') && take_number(text, 2, day) && take(text, 'T', 't') &&
                        take_number(text, 2, hour) && take(text, ':', ':') && take_number(text, 2, minute) &&
                        take(text, ':', ':') && take_number(text, 2, second) && take_fraction(text, us) &&
                        take_offset(text, offset) && text.empty();
  if (!is_whole || hour > 23 || minute > 59 || second > 60 || year < 1970) return bad();
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return bad();
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t minutes = days * 1440 + hour * 60 + minute - offset;
  // A leap second (RFC 3339 section 5.7) ends a UTC day; it becomes the first second of the next.
  if (second == 60 && (minutes * 60 + 60) % kSecondsADay != 0) return bad();
  const WallTime time{(minutes * 60 + second) * 1'000'000 + us};
  if (time.us < 0 || time.us > kUsMax) return bad();
  return time;
}

}  // namespace signet
