// What did not go its way: COMMITs that are lost or late, servers that are away or silent, rows refused, stops.
#include <catch2/catch.hpp>

#include "tests/daemon/delivery/delivery_world.h"

using namespace signet;
using namespace signet::test;

TEST_CASE_METHOD(World, "a lost COMMIT of a permit sends nothing, and the next attempt is granted") {
  const bool took_effect = GENERATE(true, false);
  fates = {lost(took_effect)};
  const Uuid id = offered();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  CHECK(script.sent.size() == 1);
  CHECK(script.sent[0].attempt_no == (took_effect ? 2 : 1));
  if (took_effect) {
    CHECK(at(id).results.at(1).outcome.kind == OutcomeKind::unsent);
    CHECK_FALSE(at(id).results.at(1).is_counted);
  }
}

TEST_CASE_METHOD(World, "a COMMIT that comes after it was given up for lost leaves no doubt") {
  fates = {lost(true, 300'000)};  // the look for it finds nothing yet
  const Uuid id = offered();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  turns(100);
  CHECK(script.sent.size() == 1);
  CHECK(status(id) == Status::sent);
  for (const auto& [attempt_no, result] : at(id).results) CHECK(result.outcome.kind != OutcomeKind::in_doubt);
}

TEST_CASE_METHOD(World, "I3 another loop's open permit is not taken for one's own after a lost COMMIT") {
  script.is_hanging = true;
  const Uuid id = offered();
  REQUIRE(comes([&] { return script.sent.size() == 1; }));
  Side two(*this, "two", 64, settings);
  server.flush();  // the hint is lost, and offered anew; only the other one takes it
  one->delivery->set_pauses({{false, false, true, false}, {}});
  fates = {lost(true)};
  two.queue.offer({{id, Priority::normal, "sms", "tester", clock.wall()}}, [](auto) {});
  REQUIRE(comes([&] { return fates.empty() && two.delivery->in_flight() + one->delivery->in_flight() <= 1; }));
  turns(50);
  CHECK(at(id).results.empty());
  script.is_hanging = false;
  script.hanging[0](outcome(OutcomeKind::accepted));
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  turns(50);
  CHECK(script.sent.size() == 1);
}

TEST_CASE_METHOD(World, "a lost COMMIT of a result is written again and counts once") {
  fates = {Fate{}, lost(GENERATE(true, false))};
  const Uuid id = offered();
  REQUIRE(comes([&] { return status(id) == Status::sent && one->delivery->in_flight() == 0; }));
  CHECK(at(id).results.size() == 1);
  CHECK(script.sent.size() == 1);
}

TEST_CASE_METHOD(World, "a deadlock's victim is written again") {
  Fate victim;
  victim.end = Fate::End::conflict;
  fates = {victim, Fate{}, victim};
  const Uuid id = offered();
  REQUIRE(comes([&] { return status(id) == Status::sent && one->delivery->in_flight() == 0; }));
  CHECK(script.sent.size() == 1);
}

TEST_CASE_METHOD(World, "a row that the database refuses holds up none of its batch, and alarms once") {
  std::vector<Uuid> made;
  for (int i = 0; i < 40; i++) made.push_back(approve());
  store.refused = {made[GENERATE(0, 17, 39)]};
  for (const auto& id : made) offer(id);
  REQUIRE(comes([&] {
    return std::all_of(made.begin(), made.end(),
                       [&](const Uuid& id) { return store.refused.contains(id) || status(id) == Status::sent; });
  }));
  turns(400);  // it is tried again later
  CHECK(alarms("row_refused") == 1);
  CHECK(log.errors.size() == 1);
  CHECK(script.sent.size() == 39);
}

TEST_CASE_METHOD(World, "a result whose message moved meanwhile is recorded on the new head, and cancels a retry") {
  script.is_hanging = true;
  const Uuid id = offered();
  REQUIRE(comes([&] { return script.sent.size() == 1; }));
  at(id).row.head = {3, sha256("cancel_requested")};
  at(id).row.is_cancel_requested = true;
  script.hanging[0](outcome(OutcomeKind::retryable, "busy"));
  REQUIRE(comes([&] { return !at(id).results.empty(); }));
  CHECK(at(id).results.at(1).head.n == 3);
  CHECK(status(id) == Status::cancelled);
}

TEST_CASE_METHOD(World, "a permit that lapsed before its send is unsent, costs no attempt, and is asked for again") {
  Fate slow;
  slow.reply_us = 5'500'000;
  fates = {slow};
  const Uuid id = offered();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  REQUIRE(at(id).results.size() == 2);
  CHECK(at(id).results.at(1).outcome.kind == OutcomeKind::unsent);
  CHECK(at(id).results.at(1).outcome.reason == "permit_lapsed");
  CHECK_FALSE(at(id).results.at(1).is_counted);
  REQUIRE(script.sent.size() == 1);
  CHECK(script.sent[0].attempt_no == 2);
}

TEST_CASE_METHOD(World, "a permit that nobody ended is recorded as in doubt, once") {
  const Uuid id = approve();
  at(id).starts[1] = {false, ids.next(), "gone", "twilio-main", "sms", "only", clock.wall()};
  one->delivery->settle_overdue({id, id});
  REQUIRE(comes([&] { return status(id) == Status::in_doubt; }));
  CHECK(at(id).results.size() == 1);
  CHECK(at(id).row.failure_reason == "no_result");
  CHECK(script.sent.empty());
}

TEST_CASE_METHOD(World, "without PostgreSQL nothing is claimed; without Redis the table is asked, critical first") {
  store.stop();
  const Uuid id = offered();
  turns(50);
  CHECK(script.sent.empty());
  store.start();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  server.set_up(false);
  const Uuid bulk = approve(Priority::bulk), critical = approve(Priority::critical);
  REQUIRE(comes([&] { return status(bulk) == Status::sent && status(critical) == Status::sent; }));
  CHECK(script.sent[1].message_id == critical);
}

TEST_CASE_METHOD(World, "what one daemon claimed is sent by another, once PostgreSQL does not answer the first") {
  const bool is_asked = GENERATE(true, false);  // the permit is under way, or the question was not put yet
  if (!is_asked) one->delivery->set_pauses({{false, false, true, false}, {}});
  const Uuid id = approve();
  Side two(*this, "two", 64, settings);
  two.delivery->set_pauses({{false, false, true, false}, {}});  // claims nothing of it yet
  one->journal.set_reachable(false, 6'000'000);
  one->delivery->set_pauses({});
  offer(id);
  turns(20);
  two.delivery->set_pauses({});
  const Tick begun = clock.tick();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  CHECK(clock.tick().us - begun.us < 2'500'000);
  one->journal.set_reachable(true);
  turns(400);
  CHECK(script.sent.size() == 1);
  CHECK(one->delivery->in_flight() == 0);
}

TEST_CASE_METHOD(World, "results that PostgreSQL cannot take are spooled, and a new run records them in order") {
  script.is_hanging = true;
  const std::vector<Uuid> made{offered(), offered()};
  REQUIRE(comes([&] { return script.sent.size() == 2; }));
  store.stop();
  script.hanging[1](outcome(OutcomeKind::accepted));
  turn();
  script.hanging[0](outcome(OutcomeKind::retryable, "busy"));
  turns(20);
  CHECK(spooled.empty());  // they wait in memory first
  REQUIRE(comes([&] { return one->spool->waiting() == 2; }));
  script.is_hanging = false;
  start();  // the process died and came again
  turns(20);
  CHECK(one->delivery->in_flight() == 2);
  store.start();
  REQUIRE(comes([&] { return at(made[0]).results.size() == 1 && at(made[1]).results.size() == 1; }));
  CHECK(status(made[1]) == Status::sent);
  CHECK(at(made[0]).results.at(1).outcome.reason == "busy");
  CHECK(at(made[0]).due->attempt_no == 2);
  REQUIRE(comes([&] { return one->spool->waiting() == 0; }));
  CHECK(spooled.empty());
  CHECK(script.sent.size() == 2);
}

TEST_CASE_METHOD(World, "a spooled result that was recorded all the same is left alone") {
  script.is_hanging = true;
  const Uuid id = offered();
  REQUIRE(comes([&] { return script.sent.size() == 1; }));
  store.stop();
  script.hanging[0](outcome(OutcomeKind::accepted));
  REQUIRE(comes([&] { return one->spool->waiting() == 1; }));
  const std::string left = spooled;
  store.start();
  REQUIRE(comes([&] { return status(id) == Status::sent && spooled.empty(); }));
  spooled = left;
  start();
  REQUIRE(comes([&] { return spooled.empty() && one->delivery->in_flight() == 0; }));
  CHECK(at(id).results.size() == 1);
  CHECK(at(id).entries.size() == 1);
}

TEST_CASE_METHOD(World, "I13 while the spool is full nothing is claimed, and afterwards it goes on") {
  spool_room = 10;
  script.is_hanging = true;
  const Uuid id = offered();
  REQUIRE(comes([&] { return script.sent.size() == 1; }));
  store.stop();
  script.hanging[0](outcome(OutcomeKind::accepted));
  REQUIRE(comes([&] { return !log.errors.empty(); }));
  CHECK(spooled.empty());  // no part of a record stays
  script.is_hanging = false;
  const Uuid next = offered();
  store.start();
  REQUIRE(comes([&] { return status(id) == Status::sent && status(next) == Status::sent; }));
}

TEST_CASE_METHOD(World, "I14 a stop ends with what is under way recorded and the rest given back") {
  start(2);
  script.is_hanging = true;
  std::vector<Uuid> made;
  for (int i = 0; i < 10; i++) made.push_back(offered());
  REQUIRE(comes([&] { return script.sent.size() == 2; }));
  bool is_stopped = false;
  one->delivery->stop(1, [&] { is_stopped = true; });
  REQUIRE(comes([&] { return is_stopped; }));
  int in_doubt = 0, due = 0;
  for (const auto& id : made) {
    in_doubt += status(id) == Status::in_doubt;
    due += at(id).due && at(id).starts.empty();
  }
  CHECK(in_doubt == 2);
  CHECK(due == 8);
  CHECK(script.sent.size() == 2);
}

TEST_CASE_METHOD(World, "I14 a stop while PostgreSQL is away leaves the results in the spool") {
  script.is_hanging = true;
  const Uuid id = offered();
  REQUIRE(comes([&] { return script.sent.size() == 1; }));
  store.stop();
  script.hanging[0](outcome(OutcomeKind::accepted));
  bool is_stopped = false;
  one->delivery->stop(30000, [&] { is_stopped = true; });
  REQUIRE(comes([&] { return is_stopped; }));
  CHECK(one->spool->waiting() == 1);
  store.start();
  start();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
}

TEST_CASE_METHOD(World, "due times are the database's, however this machine's clock is stepped") {
  const int64_t step_ms = GENERATE(-3'600'000, 3'600'000);
  struct Stepped : Clock {  // this machine's; the servers' go right
    const Clock& right;
    int64_t step_us = 0;
    explicit Stepped(const Clock& clock) : right(clock) {}
    WallTime wall() const override { return {right.wall().us + step_us}; }
    Tick tick() const override { return right.tick(); }
  } own(clock);
  own.step_us = step_ms * 1000;
  settings.poll_ms = 10;  // by the loop's own time, in which a turn of 20 ms takes one
  Side other(*this, "other", 64, settings);
  one.reset();
  std::map<std::string, DeliveryProvider> providers;
  providers["twilio-main"] = {std::make_shared<EchoingProvider>(),
                              std::make_unique<ScriptedTransport>(other.loop, script)};
  other.delivery.reset();
  other.delivery = std::make_unique<Delivery>(
      DeliveryParts{other.loop, own, random, ids, log, metrics, other.queue, other.journal, keys, routes, plan,
                    *other.spool},
      settings, Admit({routes, other.queue, own, random, pace, log, metrics}, {{"twilio-main", 8}}), Dispatcher(0, 1),
      std::move(providers));
  script.answers.push_back(outcome(OutcomeKind::retryable, "busy"));
  const Uuid id = approve();
  at(id).row.expires_at = WallTime{clock.wall().us + 60'000'000};
  other.queue.offer({{id, Priority::normal, "sms", "tester", clock.wall()}}, [](auto) {});
  const Tick begun = clock.tick();
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  CHECK(clock.tick().us - begun.us < 3'000'000);
}
