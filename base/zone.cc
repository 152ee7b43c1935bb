#include "base/zone.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace signet {
namespace {

constexpr size_t kHeaderOctets = 44;
constexpr size_t kFileOctetsMax = 1 << 20;
constexpr int64_t kDayS = 86400;
constexpr int64_t kLatestS = 1'000'000'000'000;  // what fits into WallTime

struct Counts {  // of a header
  uint32_t is_utc = 0, is_standard = 0, leap = 0, changes = 0, types = 0, characters = 0;
  size_t data_octets(size_t of_time) const {
    return changes * (of_time + 1) + types * size_t{6} + characters + leap * (of_time + 4) + is_standard + is_utc;
  }
};

int64_t big_endian(std::string_view octets) {
  int64_t out = static_cast<signed char>(octets[0]);
  for (const char c : octets.substr(1))
    out = static_cast<int64_t>(static_cast<uint64_t>(out) << 8) | static_cast<uint8_t>(c);
  return out;
}

std::optional<Counts> read_header(std::string_view file) {
  if (file.size() < kHeaderOctets || file.substr(0, 4) != "TZif" || file[4] < '2') return std::nullopt;
  Counts out;
  uint32_t* const fields[] = {&out.is_utc, &out.is_standard, &out.leap, &out.changes, &out.types, &out.characters};
  for (size_t i = 0; i < std::size(fields); i++)
    *fields[i] = static_cast<uint32_t>(big_endian(file.substr(20 + i * 4, 4)));
  if (out.types == 0 ||
      std::any_of(std::begin(fields), std::end(fields), [](const uint32_t* count) { return *count > kFileOctetsMax; }))
    return std::nullopt;
  return out;
}

// Reads a POSIX TZ string (RFC 8536, section 3.3) from its begin.
class TzText {
 public:
  explicit TzText(std::string_view text) : text_(text) {}
  bool is_done() const { return text_.empty(); }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool name() {
    const bool is_quoted = take('<');
    const size_t end = is_quoted ? text_.find('>') : text_.find_first_of("0123456789+-,");
    if (end == 0 || (is_quoted && end == std::string_view::npos)) return false;
    text_.remove_prefix(std::min(text_.size(), is_quoted ? end + 1 : end));
    return true;
  }
  std::optional<int> number() {
    size_t digits = 0;
    int out = 0;
    while (digits < text_.size() && digits < 4 && text_[digits] >= '0' && text_[digits] <= '9')
      out = out * 10 + (text_[digits++] - '0');
    if (digits == 0) return std::nullopt;
    text_.remove_prefix(digits);
    return out;
  }
  std::optional<int> seconds() {  // [+-]hh[:mm[:ss]]
    const int sign = take('-') ? -1 : 1;
    if (sign > 0) take('+');
    int out = 0;
    for (int unit = 3600; unit > 0; unit /= 60) {
      if (unit < 3600 && !take(':')) break;
      const auto part = number();
      if (!part) return std::nullopt;
      out += *part * unit;
    }
    return sign * out;
  }

 private:
  std::string_view text_;
};

int year_of(int64_t at_s) {
  const auto day = std::chrono::sys_days{std::chrono::days{(at_s >= 0 ? at_s : at_s - kDayS + 1) / kDayS}};
  return static_cast<int>(std::chrono::year_month_day{day}.year());
}

int64_t to_s(WallTime time) { return time.us >= 0 ? time.us / 1000000 : (time.us - 999999) / 1000000; }

}  // namespace

int64_t Zone::Day::in(int year) const {
  using namespace std::chrono;
  const std::chrono::year of{year};
  sys_days date = sys_days{of / January / 1};
  switch (form) {
    case Form::julian:  // 1 to 365; 29 February is never counted
      date += days{day - 1 + (of.is_leap() && day >= 60 ? 1 : 0)};
      break;
    case Form::day:  // 0 to 365
      date += days{day};
      break;
    case Form::month: {
      const auto in_month = of / std::chrono::month{static_cast<unsigned>(month)};
      const std::chrono::weekday on{static_cast<unsigned>(day)};
      date = week == 5 ? sys_days{in_month / on[last]} : sys_days{in_month / on[static_cast<unsigned>(week)]};
      break;
    }
  }
  return static_cast<int64_t>(date.time_since_epoch().count()) * kDayS + second;
}

std::optional<Zone::Rule> Zone::parse_rule(std::string_view text) {
  TzText tz(text);
  Rule out;
  if (!tz.name()) return std::nullopt;
  const auto standard = tz.seconds();
  if (!standard) return std::nullopt;
  out.standard_s = -*standard;
  if (tz.is_done()) return out;
  out.has_summer = true;
  out.summer_s = out.standard_s + 3600;
  if (!tz.name()) return std::nullopt;
  if (!tz.take(',')) {
    const auto summer = tz.seconds();
    if (!summer || !tz.take(',')) return std::nullopt;
    out.summer_s = -*summer;
  }
  for (Day* day : {&out.begin, &out.end}) {
    if (day == &out.end && !tz.take(',')) return std::nullopt;
    if (tz.take('M')) {
      const auto month = tz.number();
      const auto week = month && tz.take('.') ? tz.number() : std::nullopt;
      const auto weekday = week && tz.take('.') ? tz.number() : std::nullopt;
      if (!weekday || *month < 1 || *month > 12 || *week < 1 || *week > 5 || *weekday > 6) return std::nullopt;
      *day = {Day::Form::month, *month, *week, *weekday};
    } else {
      const bool is_julian = tz.take('J');
      const auto number = tz.number();
      if (!number || *number > 365 || (is_julian && *number < 1)) return std::nullopt;
      *day = {is_julian ? Day::Form::julian : Day::Form::day, 0, 0, *number};
    }
    if (tz.take('/')) {
      const auto second = tz.seconds();
      if (!second) return std::nullopt;
      day->second = *second;
    }
  }
  return tz.is_done() ? std::optional(out) : std::nullopt;
}

Result<Zone> Zone::load(std::string_view name) {
  const Error missing{ErrorCode::not_found,
                      "no such time zone in /usr/share/zoneinfo: install tzdata, or name another"};
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find("..") != name.npos) return missing;
  const std::filesystem::path path = std::filesystem::path("/usr/share/zoneinfo") / name;
  std::error_code error;
  const auto size = std::filesystem::is_regular_file(path, error) ? std::filesystem::file_size(path, error) : 0;
  if (error || size == 0 || size > kFileOctetsMax) return missing;
  std::ifstream file(path, std::ios::binary);
  return parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

Result<Zone> Zone::parse(std::string_view file) {
  const Error bad{ErrorCode::corrupt, "the time zone's file is none of RFC 8536: install tzdata anew"};
  const auto first = read_header(file);
  if (!first || file.size() < kHeaderOctets + first->data_octets(4)) return bad;
  file.remove_prefix(kHeaderOctets + first->data_octets(4));  // 32-bit times, for old readers
  const auto counts = read_header(file);
  if (!counts || file.size() < kHeaderOctets + counts->data_octets(8)) return bad;
  const std::string_view times = file.substr(kHeaderOctets);
  const std::string_view indices = times.substr(counts->changes * size_t{8});
  const std::string_view types = indices.substr(counts->changes);
  auto offset_of = [types](size_t type) { return static_cast<int>(big_endian(types.substr(type * 6, 4))); };
  Zone out;
  out.first_offset_s_ = offset_of(0);
  for (size_t i = 0; i < counts->changes; i++) {
    const auto type = static_cast<uint8_t>(indices[i]);
    const int64_t at_s = big_endian(times.substr(i * 8, 8));
    if (type >= counts->types || at_s > kLatestS || (i > 0 && at_s <= out.changes_.back().at_s)) return bad;
    out.changes_.push_back({at_s, offset_of(type)});
  }
  std::string_view footer = file.substr(kHeaderOctets + counts->data_octets(8));
  if (footer.size() < 2 || footer.front() != '\n' || footer.find('\n', 1) == std::string_view::npos) return bad;
  footer = footer.substr(1, footer.find('\n', 1) - 1);
  if (footer.empty()) return out;  // nobody knows what comes after the table
  out.rule_ = parse_rule(footer);
  if (!out.rule_) return bad;
  return out;
}

std::vector<Zone::Change> Zone::around(int64_t at_s) const {
  std::vector<Change> out;
  const int year = year_of(at_s);
  for (int in = year - 1; in <= year + 1; in++) {
    // Where both fall together it is summer for ever, so its begin comes last.
    out.push_back({rule_->end.in(in)-rule_->summer_s, rule_->standard_s});
    out.push_back({rule_->begin.in(in)-rule_->standard_s, rule_->summer_s});
  }
  std::stable_sort(out.begin(), out.end(), [](const Change& a, const Change& b) { return a.at_s < b.at_s; });
  return out;
}

int Zone::offset_s(WallTime at) const {
  const int64_t at_s = to_s(at);
  auto offset_in = [at_s](const std::vector<Change>& changes, int before) {
    const auto next = std::upper_bound(changes.begin(), changes.end(), at_s,
                                       [](int64_t time_s, const Change& change) { return time_s < change.at_s; });
    return next == changes.begin() ? before : std::prev(next)->offset_s;
  };
  if (!rule_ || (!changes_.empty() && at_s < changes_.back().at_s)) return offset_in(changes_, first_offset_s_);
  return rule_->has_summer ? offset_in(around(at_s), rule_->standard_s) : rule_->standard_s;
}

std::optional<WallTime> Zone::next_change(WallTime at) const {
  const int64_t at_s = to_s(at);
  auto first_after = [at_s](const std::vector<Change>& changes) -> std::optional<WallTime> {
    for (const auto& change : changes)
      if (change.at_s > at_s) return WallTime{change.at_s * 1000000};
    return std::nullopt;
  };
  if (!changes_.empty() && at_s < changes_.back().at_s) return first_after(changes_);
  return rule_ && rule_->has_summer ? first_after(around(at_s)) : std::nullopt;
}

}  // namespace signet
