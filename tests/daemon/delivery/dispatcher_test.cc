#include "daemon/delivery/dispatcher.h"

#include <catch2/catch.hpp>
#include <set>

using namespace signet;

TEST_CASE("every shard is asked once after a wake-up, each loop from a place of its own") {
  Dispatcher first(0, 2), second(1, 2);
  CHECK(*first.next() == 0);
  CHECK(*second.next() == 32);
  std::set<int> seen{0};
  while (auto shard = first.next()) seen.insert(*shard);
  CHECK(seen.size() == kShards);
  CHECK_FALSE(first.next());
}

TEST_CASE("a shard that gave something goes to the end of the line, an empty one leaves it") {
  Dispatcher dispatcher(0, 1);
  while (dispatcher.next()) {
  }
  dispatcher.wake(5);
  dispatcher.wake(5);
  dispatcher.wake(9);
  REQUIRE(*dispatcher.next() == 5);
  dispatcher.claimed(5, 256);
  REQUIRE(*dispatcher.next() == 9);
  dispatcher.claimed(9, 0);
  REQUIRE(*dispatcher.next() == 5);
  CHECK_FALSE(dispatcher.next());
}

TEST_CASE("a bell puts its shard on the express line; the poll does so only while a round is not done") {
  Dispatcher dispatcher(0, 1);
  while (dispatcher.next()) {
  }
  CHECK_FALSE(dispatcher.next_express());
  dispatcher.wake(7);
  REQUIRE(*dispatcher.next_express() == 7);
  REQUIRE(*dispatcher.next() == 7);
  dispatcher.wake_all();  // everything is asked anyway
  CHECK_FALSE(dispatcher.next_express());
  dispatcher.wake_all();  // and was not yet: what is urgent goes before
  CHECK(*dispatcher.next_express() == 0);
}

TEST_CASE("shards that were passed over come back to the express line one at a time, in turn") {
  Dispatcher dispatcher(0, 1);
  while (dispatcher.next_express()) {
  }
  dispatcher.wake_passed_over();
  CHECK_FALSE(dispatcher.next_express());
  for (const int shard : {3, 4, 3}) dispatcher.pass_over(shard);
  dispatcher.wake_passed_over();
  CHECK(*dispatcher.next_express() == 3);
  dispatcher.pass_over(3);
  CHECK_FALSE(dispatcher.next_express());
  dispatcher.wake_passed_over();
  CHECK(*dispatcher.next_express() == 4);
}
