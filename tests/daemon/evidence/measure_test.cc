// Hidden: `./dev measure log` prints what the log costs and how fast it is. Nothing here asserts a time.
#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/daemon/evidence/log_world.h"

using namespace signet;

namespace {

constexpr int kClients = 16;

struct Rate {
  double per_s = 0;
  int64_t rows = 0;
};

// Each client commits one small transaction after the other: a row of the business, with or without its audit entry.
Rate run_clients(LogWorld& world, int64_t seconds, bool has_entry) {
  std::atomic<bool> is_over = false;
  std::atomic<int64_t> commits = 0;
  std::vector<std::thread> clients;
  const Tick begin = world.clock.tick();
  for (int c = 0; c < kClients; c++)
    clients.emplace_back([&] {
      auto session = shared_postgres().session();
      while (!is_over) {
        PgTransaction tx(*session);
        const Uuid id = world.ids.next();
        if (!insert_decision(tx, world.ids.next(), id, 1, "fail", "measure", "measure", world.clock.wall()).ok()) break;
        if (has_entry && !insert_entry(tx, world.login()).ok()) break;
        if (!tx.commit().ok()) break;
        commits++;
      }
    });
  while (world.clock.tick().us - begin.us < seconds * 1'000'000) std::this_thread::yield();
  is_over = true;
  for (auto& client : clients) client.join();
  const double took = static_cast<double>(world.clock.tick().us - begin.us) / 1e6;
  return {static_cast<double>(commits.load()) / took, commits.load()};
}

}  // namespace

TEST_CASE_METHOD(LogWorld, "what 16 clients commit a second, with and without an entry, while the log is sequenced",
                 "[.][measure]") {
  for (int round = 0; round < 2; round++) {
    const Rate plain = run_clients(*this, 5, false);
    const Rate entries = run_clients(*this, 5, true);
    std::atomic<bool> is_over = false;
    auto writer = sequencer(4096, 10000);
    std::thread leader([&] {
      while (!is_over) (void)writer.pass();
    });
    const Rate sequenced = run_clients(*this, 5, true);
    is_over = true;
    leader.join();
    auto backlog = read_backlog(*superuser);
    std::printf(
        "{\"clients\": %d, \"plain_per_s\": %.0f, \"with_entry_per_s\": %.0f, \"with_entry_and_sequencer_per_s\": "
        "%.0f, \"left_behind_ms\": %lld}\n",
        kClients, plain.per_s, entries.per_s, sequenced.per_s, static_cast<long long>(backlog->oldest_ms));
    std::fflush(stdout);
    while (writer.pass()) {
    }
  }
}

TEST_CASE_METHOD(LogWorld, "how fast a backlog is sequenced and verified", "[.][measure]") {
  constexpr int kEntries = 100000;
  // Filling is not what is measured.
  std::vector<std::thread> fillers;
  for (int f = 0; f < 4; f++)
    fillers.emplace_back([this] {
      auto session = shared_postgres().session();
      if (!session->script("set synchronous_commit = off").ok()) std::abort();
      for (int i = 0; i < kEntries / 4; i += 1000) {
        PgTransaction tx(*session);
        for (int k = 0; k < 1000; k++)
          if (!insert_entry(tx, login()).ok()) std::abort();
        if (!tx.commit().ok()) std::abort();
      }
    });
  for (auto& filler : fillers) filler.join();
  auto writer = sequencer(4096, 10000);
  Tick begin = clock.tick();
  while (writer.pass()) {
  }
  double took = static_cast<double>(clock.tick().us - begin.us) / 1e6;
  std::printf("{\"entries\": %d, \"sequenced_per_s\": %.0f}\n", kEntries, kEntries / took);
  std::fflush(stdout);
  CHECK(count("audit.log") == kEntries);
  Verifier reader(shared_postgres().options("signet_verify"), {}, key, clock, ids, log, metrics, {});
  begin = clock.tick();
  REQUIRE(reader.verify().ok());
  took = static_cast<double>(clock.tick().us - begin.us) / 1e6;
  std::printf("{\"entries\": %d, \"verified_l0_l1_per_s\": %.0f}\n", kEntries, kEntries / took);
  std::fflush(stdout);
}
