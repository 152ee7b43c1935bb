#include "daemon/delivery/pause_watch.h"

#include <catch2/catch.hpp>

#include "store/pauses.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

namespace {

struct Watched {
  Watched() { shared_postgres().clear(); }
  ManualClock clock;
  std::vector<Pauses> told;
  std::vector<ProviderHealth> health;
  std::unique_ptr<PgSession> session = shared_postgres().session();
  PauseWatch watch{shared_postgres().options(), "signetd-1", clock,
                   [this](const Pauses& pauses) { told.push_back(pauses); }, [this] { return health; }};

  void change(PauseScope scope, const std::string& name, bool is_paused) {
    PgTransaction tx(*session);
    const Result<bool> done = is_paused ? pause(tx, {scope, name, "test", {}, clock.wall()}) : resume(tx, scope, name);
    REQUIRE((done.ok() && *done && tx.commit().ok()));
  }
};

ProviderHealth seen(const std::string& provider, int in_use) {
  ProviderHealth out;
  out.provider = provider;
  out.in_use = in_use;
  out.in_flight = 32;
  out.attempts = 10;
  return out;
}

TEST_CASE_METHOD(Watched, "the loops are told what is paused at once, and then of each change only") {
  watch.pass();
  watch.pass();
  REQUIRE(told.size() == 1);
  CHECK(told[0] == Pauses{});
  change(PauseScope::priority, "bulk", true);
  change(PauseScope::provider, "relay", true);
  watch.pass();
  REQUIRE(told.size() == 2);
  CHECK(told[1].priorities == std::array<bool, 4>{false, false, false, true});
  CHECK(told[1].providers == std::set<std::string>{"relay"});
  change(PauseScope::priority, "bulk", false);
  watch.pass();
  CHECK(told.back().priorities[3] == false);
}

TEST_CASE_METHOD(Watched, "while PostgreSQL is away what was paused stays so") {
  change(PauseScope::priority, "bulk", true);
  watch.pass();
  shared_postgres().stop_immediate();
  watch.pass();
  watch.pass();
  shared_postgres().start();
  for (int i = 0; i < 3; i++) watch.pass();
  REQUIRE(told.size() == 1);
  CHECK(told[0].priorities[3]);
}

TEST_CASE_METHOD(Watched, "what the loops see of a provider is one row of this daemon, every two seconds") {
  health = {seen("a", 3), seen("b", 1), seen("a", 4)};
  watch.pass();
  PgTransaction tx(*session);
  auto rows = read_health(tx);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].provider == "a");
  CHECK((*rows)[0].instance == "signetd-1");
  CHECK((*rows)[0].in_use == 7);
  CHECK((*rows)[0].in_flight == 64);
  CHECK((*rows)[0].attempts == 10);
  CHECK((*rows)[1].in_use == 1);
  health = {seen("a", 0)};
  health[0].breaker = BreakerState::half_open;
  watch.pass();
  CHECK(read_health(tx)->size() == 2);
  clock.advance_ms(2000);
  watch.pass();
  rows = read_health(tx);
  REQUIRE(rows->size() == 1);
  CHECK((*rows)[0].breaker == BreakerState::half_open);
}

}  // namespace
