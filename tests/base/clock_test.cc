#include "base/clock.h"
#include "base/server_clock.h"

#include <catch2/catch.hpp>

#include "tests/base/files.h"
#include "tests/fakes/clock.h"

using namespace signet;

TEST_CASE("a time is written with six digits of fraction in UTC") {
  CHECK(rfc3339({0}) == "1970-01-01T00:00:00.000000Z");
  CHECK(rfc3339({1'795'308'086'000'000}) == "2026-11-22T00:41:26.000000Z");
  CHECK(rfc3339({951'782'399'123'456}) == "2000-02-28T23:59:59.123456Z");
  CHECK(rfc3339({253'402'300'799'999'999}) == "9999-12-31T23:59:59.999999Z");
}

TEST_CASE("what is written is read back") {
  for (const int64_t us : {int64_t{0}, int64_t{1}, int64_t{951'782'400'000'000}, int64_t{1'795'308'086'123'456},
                           int64_t{253'402'300'799'999'999}})
    CHECK(parse_rfc3339(rfc3339({us}))->us == us);
}

TEST_CASE("any offset and any fraction is read") {
  const int64_t second = 1'795'308'086'000'000;
  CHECK(parse_rfc3339("2026-11-22T00:41:26Z")->us == second);
  CHECK(parse_rfc3339("2026-11-22t00:41:26z")->us == second);
  CHECK(parse_rfc3339("2026-11-22T01:41:26+01:00")->us == second);
  CHECK(parse_rfc3339("2026-11-21T19:11:26-05:30")->us == second);
  CHECK(parse_rfc3339("2026-11-22T00:41:26-00:00")->us == second);
  CHECK(parse_rfc3339("2026-11-22T00:41:26.5Z")->us == second + 500'000);
  CHECK(parse_rfc3339("2026-11-22T00:41:26.000001Z")->us == second + 1);
  CHECK(parse_rfc3339("2026-11-22T00:41:26.1234567899Z")->us == second + 123'456);
  CHECK(parse_rfc3339("2024-02-29T00:00:00Z").ok());
  CHECK(parse_rfc3339("1970-01-01T01:00:00+01:00")->us == 0);
}

TEST_CASE("a leap second is the first of the next day, and only where one can be") {
  CHECK(rfc3339(*parse_rfc3339("2016-12-31T23:59:60Z")) == "2017-01-01T00:00:00.000000Z");
  CHECK(rfc3339(*parse_rfc3339("2017-01-01T00:59:60+01:00")) == "2017-01-01T00:00:00.000000Z");
  CHECK_FALSE(parse_rfc3339("2016-12-31T22:59:60Z").ok());
  CHECK_FALSE(parse_rfc3339("2016-12-31T23:59:61Z").ok());
}

TEST_CASE("what is not a time of RFC 3339 is refused") {
  for (const char* bad : {"",
                          "2026-11-22",
                          "2026-11-22T00:41:26",
                          "2026-11-22 00:41:26Z",
                          "2026-11-22T00:41Z",
                          "2026-11-22T24:00:00Z",
                          "2026-11-22T00:60:00Z",
                          "2026-13-01T00:00:00Z",
                          "2026-00-01T00:00:00Z",
                          "2026-02-29T00:00:00Z",
                          "2026-04-31T00:00:00Z",
                          "2026-11-22T00:41:26.Z",
                          "2026-11-22T00:41:26+0100",
                          "2026-11-22T00:41:26+24:00",
                          "2026-11-22T00:41:26+01:60",
                          "2026-11-22T00:41:26Z ",
                          " 2026-11-22T00:41:26Z",
                          "26-11-22T00:41:26Z",
                          "2026-1-22T00:41:26Z",
                          "+2026-11-22T00:41:26Z",
                          "2026-11-22T00:41:26,5Z",
                          "1969-12-31T23:59:59Z",
                          "1970-01-01T00:00:00+01:00",
                          "9999-12-31T23:59:59-01:00",
                          "12026-11-22T00:41:26Z"})
    CHECK_FALSE(parse_rfc3339(bad).ok());
}

TEST_CASE("the system's ticks never go back and its wall time is of our days") {
  const SystemClock clock;
  Tick last = clock.tick();
  for (int i = 0; i < 1000; i++) {
    const Tick now = clock.tick();
    REQUIRE(now >= last);
    last = now;
  }
  CHECK(clock.wall() > *parse_rfc3339("2020-01-01T00:00:00Z"));
}

TEST_CASE("a stepped wall clock leaves the ticks alone") {
  ManualClock clock;
  const Tick before = clock.tick();
  const WallTime wall = clock.wall();
  clock.step_wall_ms(-5000);
  CHECK(clock.tick() == before);
  CHECK(clock.wall().us == wall.us - 5'000'000);
  clock.advance_ms(5);
  CHECK(clock.tick().us == before.us + 5000);
}

TEST_CASE("a server's clock goes on by this machine's ticks, and a step of this machine's clock does not move it") {
  ManualClock own;
  ServerClock clock(own);
  CHECK(clock.wall() == own.wall());  // not heard yet
  const WallTime server{own.wall().us + 7'000'000};
  const auto says = [&](WallTime time, int64_t took_ms) {
    const Tick asked{own.tick().us - took_ms * 1000};
    clock.heard(time, asked, own.tick());
  };
  says(server, 0);
  CHECK(clock.wall() == server);
  own.step_wall_ms(-3'600'000);
  CHECK(clock.wall() == server);
  own.advance_ms(250);
  CHECK(clock.wall().us == server.us + 250'000);
  CHECK(clock.tick() == own.tick());
  says({clock.wall().us + 40'000}, 0);  // as near as the question can tell
  CHECK(clock.wall().us == server.us + 250'000);
  says({clock.wall().us - 900'000}, 2000);  // an answer that took two seconds tells no nearer
  CHECK(clock.wall().us == server.us + 250'000);
  const WallTime set{clock.wall().us - 900'000};  // the server's clock was
  says(set, 10);
  CHECK(clock.wall() == set);
  says({set.us + 2'000'000}, 1000);
  CHECK(clock.wall().us == set.us + 2'000'000);  // not ahead: it may have been said only just now
}

TEST_CASE("an offset moves what people see of the time and no deadline, and a test may write it into a file") {
  const SystemClock clock;
  std::atomic<int64_t> offset_us = -3'600'000'000;
  const SystemClock set(&offset_us);
  CHECK(set.wall().us < clock.wall().us - 3'590'000'000);
  CHECK(set.tick().us - clock.tick().us < 10'000'000);

  const TestDir folder;
  for (const char* bad : {"", "1234567", "123456789"}) {
    const auto mapped = map_clock_offset(folder.put("offset", bad));
    REQUIRE_FALSE(mapped.ok());
    CHECK_THAT(mapped.error().text, Catch::Contains("8 octets"));
  }
  CHECK_FALSE(map_clock_offset(folder / "none").ok());
  const int64_t hour_us = 3'600'000'000;
  const auto octets = [](int64_t us) { return std::string(reinterpret_cast<const char*>(&us), sizeof us); };
  const std::string file = folder.put("clock", octets(hour_us));
  const auto mapped = map_clock_offset(file);
  REQUIRE(mapped.ok());
  CHECK(SystemClock(*mapped).wall().us > clock.wall().us + hour_us - 10'000'000);
  std::fstream(file, std::ios::binary | std::ios::in | std::ios::out) << octets(-hour_us);
  CHECK(SystemClock(*mapped).wall().us < clock.wall().us - hour_us + 10'000'000);
}
