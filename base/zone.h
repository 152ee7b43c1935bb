// Civil time of a place: its offset from UTC at any moment, out of the system's zone files (RFC 8536, "TZif", versions
// 2 to 4). Leap seconds are not looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace signet {

class Zone {  // immutable; any thread
 public:
  // By its IANA name, from /usr/share/zoneinfo. not_found: there is none of this name; corrupt: it cannot be read.
  static Result<Zone> load(std::string_view name);
  static Result<Zone> parse(std::string_view file);

  int offset_s(WallTime at) const;  // east of Greenwich
  // The first moment after `at` from which another offset may hold; none: it stays for ever.
  std::optional<WallTime> next_change(WallTime at) const;

 private:
  struct Change {
    int64_t at_s = 0;  // since 1970, UTC
    int offset_s = 0;  // from then on
  };
  struct Day {  // of a year
    enum class Form { julian, day, month } form = Form::month;
    int month = 0, week = 0, day = 0;
    int second = 7200;           // of the day, by the time that holds before; may lie outside it
    int64_t in(int year) const;  // since 1970, as if local time were UTC
  };
  struct Rule {  // of the footer, for all that comes after the table
    int standard_s = 0, summer_s = 0;
    bool has_summer = false;
    Day begin, end;
  };
  static std::optional<Rule> parse_rule(std::string_view text);
  std::vector<Change> around(int64_t at_s) const;  // by the rule: of the year of at_s and those beside it

  int first_offset_s_ = 0;  // before the first change
  std::vector<Change> changes_;
  std::optional<Rule> rule_;
};

}  // namespace signet
