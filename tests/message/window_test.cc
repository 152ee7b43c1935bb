#include "message/window.h"

#include <catch2/catch.hpp>

#include "tests/fakes/random.h"

using namespace signet;

namespace {

WallTime at(const std::string& text) { return parse_rfc3339(text).value(); }

std::unique_ptr<QuietHours> quiet(std::vector<std::string> zones, int from_min = 21 * 60, int to_min = 8 * 60) {
  auto made = QuietHours::make({from_min, to_min, std::move(zones), {false, false, true, true}});
  return std::move(*made);
}

struct Row {
  const char* zone;
  const char* earliest;
  const char* due;
  const char* until;
};

}  // namespace

TEST_CASE("a message waits for the end of its recipient's night, on days when the clock changes too") {
  const auto hours = quiet({"UTC"});
  const Row rows[] = {
      // Sydney, UTC+10 in winter: the night is 11:00Z to 22:00Z.
      {"Australia/Sydney", "2026-06-10T12:00:00Z", "2026-06-10T22:00:00Z", "2026-06-11T11:00:00Z"},
      {"Australia/Sydney", "2026-06-10T02:00:00Z", "2026-06-10T02:00:00Z", "2026-06-10T11:00:00Z"},
      // The night in which the clock goes back: from 21:00 at UTC+11 to 08:00 at UTC+10, an hour longer.
      {"Australia/Sydney", "2026-04-04T10:00:00Z", "2026-04-04T22:00:00Z", "2026-04-05T11:00:00Z"},
      {"Australia/Sydney", "2026-04-04T09:59:59Z", "2026-04-04T09:59:59Z", "2026-04-04T10:00:00Z"},
      // And the one in which it goes forward: an hour shorter.
      {"Australia/Sydney", "2026-10-03T11:00:00Z", "2026-10-03T21:00:00Z", "2026-10-04T10:00:00Z"},
      {"Europe/Dublin", "2026-03-28T22:00:00Z", "2026-03-29T07:00:00Z", "2026-03-29T20:00:00Z"},
      {"Europe/Dublin", "2026-10-24T20:00:00Z", "2026-10-25T08:00:00Z", "2026-10-25T21:00:00Z"},
      // Lord Howe's clock changes by half an hour.
      {"Australia/Lord_Howe", "2026-04-04T10:00:00Z", "2026-04-04T21:30:00Z", "2026-04-05T10:30:00Z"},
      {"Australia/Lord_Howe", "2026-10-03T10:30:00Z", "2026-10-03T21:00:00Z", "2026-10-04T10:00:00Z"},
      {"Asia/Kathmandu", "2026-06-10T16:00:00Z", "2026-06-11T02:15:00Z", "2026-06-11T15:15:00Z"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.zone, row.earliest);
    const Window window = hours->window(Priority::normal, false, row.zone, at(row.earliest), std::nullopt);
    CHECK(rfc3339(window.due_at) == rfc3339(at(row.due)));
    REQUIRE(window.send_until.has_value());
    CHECK(rfc3339(*window.send_until) == rfc3339(at(row.until)));
  }
}

TEST_CASE("quiet hours that begin or end in an hour which the clock leaves out or repeats") {
  // 02:30 in Sydney: not there on 4 October 2026, there twice on 5 April.
  const auto hours = quiet({"UTC"}, 22 * 60, 2 * 60 + 30);
  const Window forward =
      hours->window(Priority::normal, false, "Australia/Sydney", at("2026-10-03T13:00:00Z"), std::nullopt);
  CHECK(rfc3339(forward.due_at) == rfc3339(at("2026-10-03T16:00:00Z")));  // 03:00, the first minute that is there
  const Window back =
      hours->window(Priority::normal, false, "Australia/Sydney", at("2026-04-04T15:00:00Z"), std::nullopt);
  CHECK(rfc3339(back.due_at) == rfc3339(at("2026-04-04T15:30:00Z")));       // 02:30 for the first time
  CHECK(rfc3339(*back.send_until) == rfc3339(at("2026-04-04T16:00:00Z")));  // then it is 02:00 again: quiet
}

TEST_CASE("where the zone is not known it must be quiet in none of the default zones") {
  const auto hours = quiet({"Australia/Sydney", "Australia/Perth"});  // UTC+10 and +8 in June: 00:00Z to 11:00Z
  for (const std::string zone : {"", "Australia/Atlantis"}) {
    const Window window = hours->window(Priority::bulk, false, zone, at("2026-06-10T12:00:00Z"), std::nullopt);
    CHECK(rfc3339(window.due_at) == rfc3339(at("2026-06-11T00:00:00Z")));
    CHECK(rfc3339(*window.send_until) == rfc3339(at("2026-06-11T11:00:00Z")));
  }
  SECTION("and if there is no such time of day, the first of them counts") {
    const auto never = quiet({"Australia/Sydney", "Europe/London"}, 18 * 60, 10 * 60);
    const Window window = never->window(Priority::bulk, false, "", at("2026-06-10T12:00:00Z"), std::nullopt);
    CHECK(rfc3339(window.due_at) == rfc3339(at("2026-06-11T00:00:00Z")));
  }
}

TEST_CASE("urgent ones and other priorities are not held") {
  const auto hours = quiet({"UTC"});
  const WallTime night = at("2026-06-10T23:00:00Z");
  CHECK(hours->window(Priority::high, false, "UTC", night, std::nullopt).due_at == night);
  CHECK(hours->window(Priority::critical, false, "UTC", night, std::nullopt).due_at == night);
  const Window urgent = hours->window(Priority::normal, true, "UTC", night, at("2026-06-11T00:00:00Z"));
  CHECK(urgent.due_at == night);
  CHECK(urgent.send_until == at("2026-06-11T00:00:00Z"));
  CHECK(hours->window(Priority::normal, false, "UTC", night, std::nullopt).due_at == at("2026-06-11T08:00:00Z"));
  CHECK(QuietHours().window(Priority::bulk, false, "UTC", night, std::nullopt).due_at == night);
}

TEST_CASE("a window ends where the message expires; one that expires in the night is due then, to be ended") {
  const auto hours = quiet({"UTC"});
  const Window day =
      hours->window(Priority::normal, false, "UTC", at("2026-06-10T10:00:00Z"), at("2026-06-10T11:00:00Z"));
  CHECK(day.send_until == at("2026-06-10T11:00:00Z"));
  const Window night =
      hours->window(Priority::normal, false, "UTC", at("2026-06-10T22:00:00Z"), at("2026-06-11T03:00:00Z"));
  CHECK(night.due_at == at("2026-06-11T03:00:00Z"));
  CHECK(night.send_until == at("2026-06-11T03:00:00Z"));
}

TEST_CASE("I10 no window of any zone holds a minute of its quiet hours") {
  constexpr uint64_t kSeed = 7;
  SeededRandom random(kSeed);
  const char* const zones[] = {"Australia/Sydney",  "Europe/Dublin",    "Australia/Lord_Howe", "America/New_York",
                               "Africa/Casablanca", "America/Santiago", "Asia/Kathmandu",      "Pacific/Chatham"};
  for (int i = 0; i < 500; i++) {
    const auto from = static_cast<int>(random.below(1440)), to = static_cast<int>(random.below(1440));
    if (from == to) continue;
    const std::string name = zones[random.below(std::size(zones))];
    const Zone zone = Zone::load(name).value();
    const auto hours = quiet({"UTC"}, from, to);
    const WallTime earliest{1'700'000'000'000'000 + static_cast<int64_t>(random.below(400'000'000'000'000))};
    const Window window = hours->window(Priority::normal, false, name, earliest, std::nullopt);
    auto is_quiet = [&](WallTime time) {
      const int64_t minute = ((time.us / 1'000'000 + zone.offset_s(time)) % 86400 + 86400) % 86400 / 60;
      return from < to ? minute >= from && minute < to : minute >= from || minute < to;
    };
    CAPTURE(kSeed, i, name, from, to, rfc3339(earliest), rfc3339(window.due_at), rfc3339(*window.send_until));
    REQUIRE(window.due_at >= earliest);
    REQUIRE(window.due_at.us - earliest.us < int64_t{48} * 3'600'000'000);
    REQUIRE_FALSE(is_quiet({window.send_until->us - 1}));
    REQUIRE(is_quiet(*window.send_until));
    int wrong = 0;
    for (WallTime time = window.due_at; time < *window.send_until; time.us += 60'000'000) wrong += is_quiet(time);
    for (WallTime time = earliest; time < window.due_at; time.us += 60'000'000) wrong += !is_quiet(time);
    REQUIRE(wrong == 0);
  }
}
