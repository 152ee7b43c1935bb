#include "base/ids.h"

#include <catch2/catch.hpp>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

using namespace signet;

TEST_CASE("an identifier is a UUID of version 7 with the time of the clock") {
  const ManualClock clock;
  SeededRandom random(1);
  IdSource source(clock, random);
  const Uuid id = source.next();
  CHECK(id.version() == 7);
  CHECK((id.bytes[8] & 0xc0) == 0x80);
  CHECK(id.unix_ms() == clock.wall().us / 1000);
  CHECK_FALSE(id.is_nil());
  CHECK(Uuid{}.is_nil());
}

TEST_CASE("identifiers ascend within a millisecond, also more of them than its sequence holds") {
  const ManualClock clock;
  SeededRandom random(2);
  IdSource source(clock, random);
  Uuid last = source.next();
  for (int i = 0; i < 20'000; i++) {
    const Uuid next = source.next();
    REQUIRE(next > last);
    last = next;
  }
  CHECK(last.unix_ms() - clock.wall().us / 1000 <= 5);
}

TEST_CASE("identifiers ascend when the clock goes on and when it steps back") {
  ManualClock clock;
  SeededRandom random(3);
  IdSource source(clock, random);
  Uuid last = source.next();
  const auto ascends = [&] {
    const Uuid next = source.next();
    const bool is_later = next > last;
    last = next;
    return is_later;
  };
  for (int i = 0; i < 100; i++) {
    clock.advance_ms(i % 3);
    REQUIRE(ascends());
  }
  clock.step_wall_ms(-60'000);
  for (int i = 0; i < 10'000; i++) REQUIRE(ascends());
  clock.step_wall_ms(120'000);
  REQUIRE(ascends());
  CHECK(last.unix_ms() == clock.wall().us / 1000);
}

TEST_CASE("threads never get the same identifier") {
  const ManualClock clock;
  SystemRandom random;
  IdSource source(clock, random);
  std::vector<std::vector<Uuid>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; i++) mine.push_back(source.next());
    });
  for (auto& thread : threads) thread.join();
  std::unordered_set<Uuid> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 8000);
}

TEST_CASE("a UUID is read in both cases and written in lower case") {
  const std::string text = "019aa8fb-1c2d-7e3f-8a4b-5c6d7e8f9a0b";
  CHECK(parse_uuid(text)->text() == text);
  CHECK(parse_uuid("019AA8FB-1C2D-7E3F-8A4B-5C6D7E8F9A0B")->text() == text);
  CHECK(Uuid::from_view(parse_uuid(text)->view()) == *parse_uuid(text));
}

TEST_CASE("what is not a UUID is refused") {
  for (const char* bad : {"", "019aa8fb1c2d7e3f8a4b5c6d7e8f9a0b", "019aa8fb-1c2d-7e3f-8a4b-5c6d7e8f9a0",
                          "019aa8fb-1c2d-7e3f-8a4b-5c6d7e8f9a0bb", "019aa8fb-1c2d-7e3f-8a4b-5c6d7e8f9a0g",
                          "{019aa8fb-1c2d-7e3f-8a4b-5c6d7e8f9a0b}", "019aa8fb-1c2d-7e3f-8a4b-5c6d7e8f9a0 ",
                          "019aa8fb+1c2d-7e3f-8a4b-5c6d7e8f9a0b", "019aa8f--1c2d-7e3f-8a4b-5c6d7e8f9a0b"})
    CHECK_FALSE(parse_uuid(bad).ok());
}

TEST_CASE("neighbours in time share a shard and a longer time visits all of them") {
  ManualClock clock({1'795'307'286'016'000});  // a multiple of 128 ms
  SeededRandom random(4);
  IdSource source(clock, random);
  const int first = shard_of(source.next());
  clock.advance_ms(100);
  CHECK(shard_of(source.next()) == first);
  std::set<int> seen;
  for (int i = 0; i < kShards; i++) {
    const int shard = shard_of(source.next());
    CHECK(shard >= 0);
    CHECK(shard < kShards);
    seen.insert(shard);
    clock.advance_ms(128);
  }
  CHECK(seen.size() == kShards);
}
