#include "config/due_time.h"

#include <catch2/catch.hpp>

using namespace signet;

namespace {

std::string after(const std::string& line, const std::string& time) {
  const auto due = next_due(*parse_cron(line), *parse_rfc3339(time));
  return due ? rfc3339(*due).substr(0, 16) : "never";
}

}  // namespace

TEST_CASE("a line comes due at the next minute that it names, never at the same one") {
  CHECK(after("0 6 1 * *", "2026-11-22T00:00:00Z") == "2026-12-01T06:00");
  CHECK(after("0 6 1 * *", "2026-12-01T06:00:00Z") == "2027-01-01T06:00");
  CHECK(after("0 6 1 * *", "2026-12-01T05:59:59.999999Z") == "2026-12-01T06:00");
  CHECK(after("*/15 * * * *", "2026-11-22T10:14:30Z") == "2026-11-22T10:15");
  CHECK(after("30 23 31 12 *", "2026-12-31T23:30:00Z") == "2027-12-31T23:30");
  CHECK(after("0 0 29 feb *", "2026-11-22T00:00:00Z") == "2028-02-29T00:00");
  CHECK(after("59 23 * * *", "2026-11-22T23:59:00Z") == "2026-11-23T23:59");
}

TEST_CASE("as in crontab, either day serves where both are restricted") {
  CHECK(after("0 6 * * mon", "2026-11-22T00:00:00Z") == "2026-11-23T06:00");
  CHECK(after("0 6 25 * mon", "2026-11-23T06:00:00Z") == "2026-11-25T06:00");
  CHECK(after("0 6 25 * mon", "2026-11-25T06:00:00Z") == "2026-11-30T06:00");
  CHECK(after("0 0 * * 7", "2026-11-22T00:00:00Z") == "2026-11-29T00:00");
}
