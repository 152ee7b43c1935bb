#include "daemon/api/callback_ledger.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using ApiWorld = BasicApiWorld<nlohmann::json>;

ToldCallback told(ApiWorld& world, const std::string& event_id) {
  ToldCallback out;
  out.row.id = world.ids.next();
  out.row.provider = "test";
  out.row.event_id = event_id;
  out.row.received_at = world.clock.wall();
  out.body = "body of " + event_id;
  return out;
}

TEST_CASE("what many threads bring at once is kept once each, and each is told what of its own was new") {
  ApiWorld world;
  PgPool pool(world.postgres.options(), 8);
  CallbackLedger ledger(pool, world.keyring, world.services.log);
  constexpr int kThreads = 12, kEach = 40;
  std::atomic<int> added = 0, failed = 0;
  std::vector<std::vector<ToldCallback>> given(kThreads);
  for (int t = 0; t < kThreads; t++)
    for (int i = 0; i < kEach; i++)  // every other one is told by two threads
      given[static_cast<size_t>(t)].push_back(
          told(world, std::to_string(i % 2 == 0 ? t / 2 : t) + "." + std::to_string(i)));
  std::vector<std::thread> threads;
  for (auto& own : given)
    threads.emplace_back([&] {
      for (auto& one : own) {
        const auto kept = ledger.keep({one});
        if (kept)
          added += *kept;
        else
          failed++;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(added == kThreads * kEach * 3 / 4);
  CHECK(world.count("callback") == added);
  CHECK(world.count("callback_due") == added);
}

TEST_CASE("a row that the database refuses is refused alone") {
  ApiWorld world;
  PgPool pool(world.postgres.options(), 8);
  CallbackLedger ledger(pool, world.keyring, world.services.log);
  constexpr int kThreads = 8, kEach = 20;
  std::atomic<int> kept = 0, refused = 0;
  std::vector<std::vector<ToldCallback>> given(kThreads);
  for (int t = 0; t < kThreads; t++)
    for (int i = 0; i < kEach; i++) {
      const std::string name = std::to_string(t) + "." + std::to_string(i);
      given[static_cast<size_t>(t)].push_back(told(world, i % 5 == 0 ? name + "\xff" : name));  // no UTF-8
    }
  std::vector<std::thread> threads;
  for (auto& own : given)
    threads.emplace_back([&] {
      for (auto& one : own) (ledger.keep({one}) ? kept : refused)++;
    });
  for (auto& thread : threads) thread.join();
  CHECK(refused == kThreads * kEach / 5);
  CHECK(kept == kThreads * kEach * 4 / 5);
  CHECK(world.count("callback") == kept);
}

}  // namespace
}  // namespace signet::api
