#include "base/thread_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <thread>

using namespace signet;

TEST_CASE("what was queued runs before the pool is gone") {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool(2, 1000);
    for (int i = 0; i < 500; i++) REQUIRE(pool.submit([&] { ran++; }));
  }
  CHECK(ran == 500);
}

TEST_CASE("a full queue refuses and takes again when there is room") {
  std::promise<void> started, go;
  ThreadPool pool(1, 2);
  REQUIRE(pool.submit([&] {
    started.set_value();
    go.get_future().wait();
  }));
  started.get_future().wait();  // the one thread is busy, the queue empty
  CHECK(pool.submit([] {}));
  CHECK(pool.submit([] {}));
  CHECK(pool.queued() == 2);
  CHECK_FALSE(pool.submit([] {}));
  std::promise<void> drained;
  go.set_value();
  while (!pool.submit([&] { drained.set_value(); })) std::this_thread::yield();
  drained.get_future().wait();
}

TEST_CASE("actions run beside each other") {
  ThreadPool pool(2, 10);
  std::promise<void> first, second;
  std::atomic<int> met = 0;
  REQUIRE(pool.submit([&] {
    first.set_value();
    second.get_future().wait();
    met++;
  }));
  REQUIRE(pool.submit([&] {
    second.set_value();
    first.get_future().wait();
    met++;
  }));
  while (met != 2) std::this_thread::yield();
  CHECK(met == 2);
}

TEST_CASE("what an action holds goes with it") {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  {
    ThreadPool pool(1, 10);
    REQUIRE(pool.submit([held = std::move(held)] {}));
  }
  CHECK(seen.expired());
}
