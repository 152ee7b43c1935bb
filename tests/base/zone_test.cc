#include "base/zone.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fakes/random.h"

using namespace signet;

namespace {

WallTime at(const std::string& text) { return parse_rfc3339(text).value(); }
Zone zone(const std::string& name) { return Zone::load(name).value(); }

struct Row {
  const char* zone;
  const char* time;
  int offset_min;
};

}  // namespace

TEST_CASE("offsets before and after a change of the clock") {
  const Row rows[] = {
      {"Australia/Sydney", "2026-04-04T15:59:59Z", 660},    {"Australia/Sydney", "2026-04-04T16:00:00Z", 600},
      {"Australia/Sydney", "2026-10-03T15:59:59Z", 600},    {"Australia/Sydney", "2026-10-03T16:00:00Z", 660},
      {"Europe/Dublin", "2026-03-29T00:59:59Z", 0},         {"Europe/Dublin", "2026-03-29T01:00:00Z", 60},
      {"Europe/Dublin", "2026-10-25T00:59:59Z", 60},        {"Europe/Dublin", "2026-10-25T01:00:00Z", 0},
      {"Australia/Lord_Howe", "2026-04-04T14:59:59Z", 660}, {"Australia/Lord_Howe", "2026-04-04T15:00:00Z", 630},
      {"Australia/Lord_Howe", "2026-10-03T15:29:59Z", 630}, {"Australia/Lord_Howe", "2026-10-03T15:30:00Z", 660},
      {"Asia/Kathmandu", "2026-06-01T00:00:00Z", 345},      {"UTC", "2026-06-01T00:00:00Z", 0},
      {"America/St_Johns", "2026-01-01T00:00:00Z", -210},   {"Pacific/Apia", "2011-12-30T09:59:59Z", -600},
      {"Pacific/Apia", "2011-12-30T10:00:00Z", 840},
  };
  for (const auto& row : rows) {
    CAPTURE(row.zone, row.time);
    CHECK(zone(row.zone).offset_s(at(row.time)) == row.offset_min * 60);
  }
}

TEST_CASE("what comes after the file's table follows its rule") {
  const Row rows[] = {
      {"Australia/Sydney", "2093-04-04T15:59:59Z", 660},    {"Australia/Sydney", "2093-04-04T16:00:00Z", 600},
      {"Europe/Dublin", "2093-01-01T00:00:00Z", 0},         {"Europe/Dublin", "2093-07-01T00:00:00Z", 60},
      {"Australia/Lord_Howe", "2093-01-01T00:00:00Z", 660}, {"Australia/Lord_Howe", "2093-07-01T00:00:00Z", 630},
      {"Asia/Kathmandu", "2093-01-01T00:00:00Z", 345},      {"America/Santiago", "2093-01-01T00:00:00Z", -180},
  };
  for (const auto& row : rows) {
    CAPTURE(row.zone, row.time);
    CHECK(zone(row.zone).offset_s(at(row.time)) == row.offset_min * 60);
  }
}

TEST_CASE("the next change is told, within the table and after it") {
  const Zone sydney = zone("Australia/Sydney");
  CHECK(sydney.next_change(at("2026-01-01T00:00:00Z")) == at("2026-04-04T16:00:00Z"));
  CHECK(sydney.next_change(at("2026-04-04T16:00:00Z")) == at("2026-10-03T16:00:00Z"));
  CHECK(sydney.next_change(at("2093-01-01T00:00:00Z")) == at("2093-04-04T16:00:00Z"));
  CHECK(zone("Europe/Dublin").next_change(at("2026-03-29T00:00:00Z")) == at("2026-03-29T01:00:00Z"));
  CHECK_FALSE(zone("UTC").next_change(at("2026-01-01T00:00:00Z")).has_value());
}

TEST_CASE("every zone of the system has the offsets that the C library gives it") {
  constexpr uint64_t kSeed = 20261126;
  SeededRandom random(kSeed);
  std::ifstream table("/usr/share/zoneinfo/zone1970.tab");
  REQUIRE(table);
  int zones = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.starts_with('#')) continue;
    const size_t second = line.find('\t', line.find('\t') + 1);
    const std::string name = line.substr(second + 1, line.find('\t', second + 1) - second - 1);
    const Zone ours = zone(name);
    setenv("TZ", (":" + name).c_str(), 1);
    tzset();
    zones++;
    for (int i = 0; i < 200; i++) {
      const auto seconds = static_cast<time_t>(random.below(5'000'000'000));  // until 2128
      tm local{};
      localtime_r(&seconds, &local);
      CAPTURE(kSeed, name, seconds);
      REQUIRE(ours.offset_s({seconds * int64_t{1'000'000}}) == local.tm_gmtoff);
    }
  }
  unsetenv("TZ");
  tzset();
  CHECK(zones > 300);
}

TEST_CASE("what is no zone's file is refused") {
  CHECK(Zone::load("Australia/Atlantis").error().code == ErrorCode::not_found);
  CHECK(Zone::load("").error().code == ErrorCode::not_found);
  CHECK(Zone::load("../../../etc/passwd").error().code == ErrorCode::not_found);
  CHECK(Zone::load("/etc/passwd").error().code == ErrorCode::not_found);
  CHECK(Zone::load("Australia").error().code == ErrorCode::not_found);  // a folder
  CHECK(Zone::load("zone1970.tab").error().code == ErrorCode::corrupt);
}

TEST_CASE("a zone's file that is cut or bent anywhere is read whole or refused, never beyond its end") {
  std::ifstream file("/usr/share/zoneinfo/Australia/Lord_Howe", std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(Zone::parse(whole).ok());
  for (size_t size = 0; size < whole.size(); size++) CHECK_FALSE(Zone::parse(whole.substr(0, size)).ok());
  constexpr uint64_t kSeed = 1;
  SeededRandom random(kSeed);
  for (int i = 0; i < 5000; i++) {
    std::string bent = whole;
    bent[random.below(bent.size())] = static_cast<char>(random.below(256));
    const auto parsed = Zone::parse(bent);
    if (parsed) parsed->offset_s({static_cast<int64_t>(random.below(1'000'000'000'000'000'0))});
  }
}
