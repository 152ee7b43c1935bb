#include "daemon/evidence/background_share.h"

#include <catch2/catch.hpp>

#include "tests/fakes/clock.h"

using namespace signet;

namespace {

// A clock that goes on by 400 ms whenever the share looks whether deliveries are under way.
struct World {
  ManualClock clock;
  int looks = 0, busy_looks = 1000000;
  BackgroundShare share{clock, [this] {
                          clock.advance_ms(400);
                          return ++looks <= busy_looks;
                        }};
  int64_t rested_ms(int64_t worked_ms) {
    const Tick began = clock.tick();
    clock.advance_ms(worked_ms);
    const Tick done = clock.tick();
    share.rest(began);
    return (clock.tick().us - done.us) / 1000;
  }
};

}  // namespace

TEST_CASE_METHOD(World, "while messages are on their way, who worked rests for nineteen times as long") {
  CHECK(rested_ms(200) == 4000);  // 3800, and it looks every 400
}

TEST_CASE_METHOD(World, "one rest is four seconds at most, and what is left counts the next time") {
  CHECK(rested_ms(800) == 4000);
  CHECK(rested_ms(0) == 4000);
  CHECK(rested_ms(0) == 4000);
  CHECK(rested_ms(0) == 19 * 800 - 3 * 4000);
}

TEST_CASE_METHOD(World, "nobody rests when nothing is on its way, nor once it has ended") {
  busy_looks = 2;
  CHECK(rested_ms(800) == 1200);  // the third look found nothing
  CHECK(rested_ms(800) == 400);
  busy_looks = 1000000;
  share.stop();
  CHECK(rested_ms(800) == 0);
}
