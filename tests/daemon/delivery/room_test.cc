#include "daemon/delivery/room.h"

#include <catch2/catch.hpp>

using namespace signet;

namespace {

void fill(Room& room, const std::string& lane, int count) {
  for (int i = 0; i < count; i++) room.enter(lane);
}

}  // namespace

TEST_CASE("an eighth of the window is kept for what is urgent") {
  Room room(64);
  fill(room, "sms", 20);
  fill(room, "email", 30);
  CHECK(room.for_all() == 6);
  CHECK(room.for_urgent() == 14);
  room.reserve(6);
  CHECK(room.for_all() == 0);
  CHECK(room.for_urgent() == 8);
  room.reserve(-6);
  CHECK(room.for_all() == 6);
}

TEST_CASE("I12 no lane holds more than half of the window while another is there, and alone not all of it") {
  Room room(64);
  fill(room, "sms", 47);
  CHECK_FALSE(room.lane_over_share());
  CHECK(room.for_all() == 1);
  room.enter("sms");
  REQUIRE(room.lane_over_share());
  CHECK(room.for_all() == 0);
  CHECK(room.for_others() == 8);
  for (int i = 0; i < 17; i++) room.leave("sms");
  CHECK_FALSE(room.lane_over_share());
  fill(room, "email", 1);
  CHECK_FALSE(room.lane_over_share());
  room.enter("sms");
  REQUIRE(room.lane_over_share());
  CHECK(*room.lane_over_share() == "sms");
  room.leave("email");
  CHECK_FALSE(room.lane_over_share());
}
