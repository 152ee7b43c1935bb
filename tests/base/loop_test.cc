#include "base/loop.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "tests/simulation/sim_time.h"

using namespace signet;

namespace {

struct UvWorld {
  SystemClock clock;
  Loop loop;
};
struct SimWorld {
  test::SimTime time;
  test::SimClock clock{time};
  Loop loop{std::make_unique<test::SimLoop>(time)};
};

}  // namespace

#define LOOP_TEST(sentence) TEMPLATE_TEST_CASE(sentence, "[loop]", UvWorld, SimWorld)

LOOP_TEST("what is posted runs in order, also before the loop does") {
  TestType world;
  Loop& loop = world.loop;
  std::vector<int> ran;
  for (int i = 0; i < 5; i++) loop.post([&, i] { ran.push_back(i); });
  loop.post([&] {
    loop.post([&] { ran.push_back(6); });
    loop.post([&] { loop.stop(); });
    ran.push_back(5);
  });
  loop.run();
  CHECK(ran == std::vector<int>{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("other threads post and stop") {
  Loop loop;
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; i++) loop.post([&] { ran++; });
    });
  threads.emplace_back([&] {
    while (ran < 4000) std::this_thread::yield();
    loop.stop();
  });
  loop.run();
  for (auto& thread : threads) thread.join();
  CHECK(ran == 4000);
}

LOOP_TEST("a stopped loop runs again") {
  TestType world;
  Loop& loop = world.loop;
  loop.stop();
  loop.run();
  int ran = 0;
  loop.post([&] {
    ran++;
    loop.stop();
  });
  loop.run();
  CHECK(ran == 1);
}

LOOP_TEST("what is posted after the end is dropped unrun, with what it holds") {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  bool has_run = false;
  {
    TestType world;
    Loop& loop = world.loop;
    loop.stop();
    loop.run();
    auto timer = std::make_shared<Timer>(loop);  // goes with the loop's queue and is closed by it
    loop.post([&has_run, held = std::move(held), timer = std::move(timer)] { has_run = true; });
  }
  CHECK_FALSE(has_run);
  CHECK(seen.expired());
}

LOOP_TEST("each round is told before the loop waits") {
  TestType world;
  Loop& loop = world.loop;
  std::vector<char> order;
  loop.on_round([&] { order.push_back('r'); });
  loop.post([&] {
    order.push_back('a');
    loop.post([&] {
      order.push_back('b');
      loop.post([&] { loop.stop(); });
    });
  });
  loop.run();
  const std::string seen(order.begin(), order.end());
  CHECK(seen.find('r') < seen.find('a'));
  CHECK(seen.find('r', seen.find('a')) < seen.find('b'));
}

LOOP_TEST("the round's action may replace or remove itself") {
  TestType world;
  Loop& loop = world.loop;
  int first = 0, second = 0;
  auto held = std::make_shared<int>(7);
  loop.on_round([&, held] {
    loop.on_round([&] {
      second++;
      loop.on_round(nullptr);
      loop.post([&] { loop.post([&] { loop.stop(); }); });
    });
    first += *held;  // still there, though replaced
    loop.post([] {});
  });
  loop.run();
  CHECK(first == 7);
  CHECK(second == 1);
}

LOOP_TEST("a timer fires once, not before its time") {
  TestType world;
  Loop& loop = world.loop;
  const Clock& clock = world.clock;
  Timer timer(loop);
  int fired = 0;
  const Tick before = clock.tick();
  timer.start(20, [&] {
    fired++;
    loop.stop();
  });
  CHECK(timer.is_active());
  loop.run();
  CHECK(fired == 1);
  CHECK_FALSE(timer.is_active());
  CHECK(clock.tick().us - before.us >= 19'000);
}

LOOP_TEST("a repeating timer goes on until it is stopped from within") {
  TestType world;
  Loop& loop = world.loop;
  Timer timer(loop), end(loop);
  int fired = 0;
  timer.repeat(1, [&] {
    if (++fired < 3) return;
    timer.stop();
    end.start(5, [&] { loop.stop(); });
  });
  loop.run();
  CHECK(fired == 3);
}

LOOP_TEST("a timer may be restarted and destroyed by its own action") {
  TestType world;
  Loop& loop = world.loop;
  auto timer = std::make_unique<Timer>(loop);
  auto held = std::make_shared<int>(1);
  int restarted = 0, after = 0;
  timer->repeat(1, [&, held] {
    timer->start(1, [&, held] {
      restarted += *held;
      timer.reset();
      after += *held;  // the action outlives its timer
      loop.stop();
    });
  });
  loop.run();
  CHECK(restarted == 1);
  CHECK(after == 1);
}

LOOP_TEST("a stopped or destroyed timer does not fire") {
  TestType world;
  Loop& loop = world.loop;
  int fired = 0;
  Timer stopped(loop), end(loop);
  auto destroyed = std::make_unique<Timer>(loop);
  stopped.start(1, [&] { fired++; });
  destroyed->start(1, [&] { fired++; });
  stopped.stop();
  destroyed.reset();
  end.start(10, [&] { loop.stop(); });
  loop.run();
  CHECK(fired == 0);
}

TEST_CASE("a loop of virtual time that was stopped as by SIGSTOP catches up with what came due") {
  test::SimTime time;
  auto core = std::make_unique<test::SimLoop>(time);
  test::SimLoop& sim = *core;
  Loop loop(std::move(core));
  Timer timer(loop);
  int64_t fired_us = 0;
  timer.start(10, [&] { fired_us = time.now_us(); });
  sim.pause();
  bool has_run = false;
  loop.post([&] { has_run = true; });
  time.run_until(500'000);
  CHECK(fired_us == 0);
  CHECK_FALSE(has_run);
  sim.resume();
  time.run_until(600'000);
  CHECK(fired_us == 500'000);
  CHECK(has_run);
}

TEST_CASE("virtual time runs what is due at one moment in the order in which it was planned") {
  test::SimTime time;
  std::vector<int> ran;
  time.after(20, [&] { ran.push_back(3); });
  time.after(10, [&] {
    ran.push_back(1);
    time.after(0, [&] { ran.push_back(2); });
  });
  time.after(20, [&] { ran.push_back(4); });
  time.run_until(20);
  CHECK(ran == std::vector<int>{1, 2, 3, 4});
  CHECK(time.now_us() == 20);
}
