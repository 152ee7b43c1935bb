#include "daemon/evidence/sequencer.h"

#include <atomic>
#include <thread>

#include "audit/checkpoint.h"
#include "tests/daemon/evidence/log_world.h"

using namespace signet;

TEST_CASE_METHOD(LogWorld, "entries get their places in the order of their transactions, and a signed checkpoint") {
  insert(700);
  insert(1);
  auto one = sequencer(256);
  while (one.pass()) {
  }
  CHECK(one.is_leader());
  check_log(701);
  CHECK(count("(select e.xact, e.event_id, lag(e.xact) over (order by l.seq) px, lag(e.event_id) over (order by l.seq) "
              "pe from audit.log l join audit.entry e using (event_id)) x where (xact, event_id) <= (px, pe)") == 0);
  auto newest = newest_checkpoint(*superuser);
  REQUIRE((newest.ok() && newest->has_value()));
  auto verified = verify_checkpoint((*newest)->note, key.name);
  REQUIRE(verified.ok());
  CHECK(verified->checkpoint.size == 701);
  CHECK(verified->checkpoint.root == (*newest)->root);
  CHECK(metrics.value("signet_log_signed_size") == 701);
  CHECK_FALSE(one.pass());  // nothing came
  CHECK(count("audit.checkpoint") >= 1);
  CHECK_FALSE(verify_checkpoint((*newest)->note, make_test_log_key().name).ok());
}

TEST_CASE_METHOD(LogWorld, "no entry is passed over while an older transaction is open, nor twice given a place") {
  auto slow = shared_postgres().session();
  REQUIRE(slow->script("begin").ok());
  REQUIRE(slow->run("select pg_current_xact_id()").ok());  // older than all that follow, and writes last
  auto one = sequencer(64);
  std::atomic<bool> is_done = false;
  std::vector<std::thread> writers;
  for (int w = 0; w < 16; w++)
    writers.emplace_back([this] {
      auto session = shared_postgres().session();
      for (int i = 0; i < 20; i++) {
        PgTransaction tx(*session);
        for (int k = 0; k <= i % 3; k++)
          if (!insert_entry(tx, login()).ok()) std::abort();
        if (i % 7 == 6) continue;  // rolled back
        if (!tx.commit().ok()) std::abort();
      }
    });
  std::thread leader([&] {
    while (!is_done)
      if (!one.pass()) std::this_thread::yield();
  });
  for (auto& writer : writers) writer.join();
  CHECK(count("audit.log") == 0);  // held back by the open one
  auto backlog = read_backlog(*superuser);
  REQUIRE(backlog.ok());
  CHECK(backlog->is_waiting);
  {
    const Entry last = login();
    REQUIRE(slow->run("insert into audit.entry (event_id, canon, leaf, action, at) values ($1, $2, $3, 'login', now())",
                      {last.event_id, PgValue::octets(last.canon), PgValue::octets(view(last.leaf))})
                .ok());
    REQUIRE(slow->script("commit").ok());
  }
  is_done = true;
  leader.join();
  const int64_t entries = count("audit.entry");
  while (count("audit.log") < entries) (void)one.pass();
  (void)one.pass();
  check_log(entries);
  CHECK(count("audit.log l join audit.entry e using (event_id) where l.seq = 0 and e.actor_id is null") == 1);
}

TEST_CASE_METHOD(LogWorld, "of two sequencers one leads, and the other goes on where it ends") {
  insert(300);
  auto second = sequencer(100);
  {
    auto first = sequencer(100);
    CHECK(first.pass());
    CHECK_FALSE(second.pass());
    CHECK(first.is_leader());
    CHECK_FALSE(second.is_leader());
    CHECK(count("audit.log") == 100);
  }
  auto third = sequencer(100);  // `second` asks again in two seconds only
  while (third.pass()) {
  }
  CHECK(third.is_leader());
  insert(5);
  (void)third.pass();
  check_log(305);
}

TEST_CASE_METHOD(LogWorld, "a leader that does not speak loses its place, and what it held is not lost") {
  insert(10);
  auto frozen = sequencer();
  (void)frozen.pass();
  REQUIRE(frozen.is_leader());
  // What the server does to a session that is silent for 10 s.
  REQUIRE(
      superuser->run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'signet_sequencer'").ok());
  auto rows = superuser->run("select setting from pg_settings where name = 'idle_session_timeout'");
  insert(10);
  while (count("pg_locks where locktype = 'advisory'") > 0) std::this_thread::yield();
  auto next = sequencer();
  (void)next.pass();
  CHECK(next.is_leader());
  check_log(20);
  insert(1);
  CHECK_FALSE(frozen.pass());  // it finds out, and writes nothing
  CHECK_FALSE(frozen.is_leader());
  (void)next.pass();
  check_log(21);
}

TEST_CASE_METHOD(LogWorld, "a session of a place ends itself when it is silent") {
  auto session = shared_postgres().session("signet_sequencer");
  REQUIRE(*take_place(*session, Elected::sequencer));
  auto rows = session->run(
      "select current_setting('idle_session_timeout'), "
      "current_setting('idle_in_transaction_session_timeout')");
  REQUIRE(rows.ok());
  CHECK(rows->text(0, 0) == "10s");
  CHECK(rows->text(0, 1) == "5s");
  auto other = shared_postgres().session("signet_sequencer");
  CHECK_FALSE(*take_place(*other, Elected::sequencer));
}

TEST_CASE_METHOD(LogWorld, "a database restored from a dump gets a place for each entry once, and goes on") {
  insert(50);
  {
    auto one = sequencer(20);
    while (one.pass()) {
    }
  }
  insert(30);  // in the dump, not yet in the log
  // As pg_restore into a younger cluster leaves it: numbers that lie ahead.
  tamper(
      "update audit.entry set xact = (xact::text::bigint + 1000000)::text::xid8; "
      "update audit.cursor set xact = (xact::text::bigint + 1000000)::text::xid8");
  auto one = sequencer(20);
  insert(7);
  while (one.pass()) {
  }
  (void)one.pass();
  check_log(87);
  insert(3);
  (void)one.pass();
  check_log(90);
  CHECK_THAT(log.all(), Catch::Contains("restored"));
  auto backlog = read_backlog(*superuser);
  REQUIRE(backlog.ok());
  CHECK_FALSE(backlog->is_waiting);
}

TEST_CASE_METHOD(LogWorld, "a log that does not extend what was signed is not signed any further") {
  insert(300);
  {
    auto one = sequencer();
    (void)one.pass();
  }
  tamper("update audit.log set leaf = sha256('forged') where seq = 299");
  insert(1);
  auto two = sequencer();
  (void)two.pass();
  CHECK(count("audit.checkpoint") == 1);
  CHECK_THAT(log.all(), Catch::Contains("does not extend its checkpoint of 300"));
}

TEST_CASE_METHOD(LogWorld, "a backlog of more than ten seconds alarms, once until it is gone") {
  insert(1);
  tamper("update audit.entry set created_at = now() - interval '11 seconds'");
  auto held = shared_postgres().session();
  REQUIRE(held->script("begin").ok());
  auto one = sequencer();
  (void)one.pass();  // the first look: nothing was ever sequenced, so nothing is known of waiting
  insert(1);
  tamper("update audit.entry set created_at = now() - interval '11 seconds'");
  (void)one.pass();
  (void)one.pass();
  CHECK(metrics.value("signet_alarm", "reason=\"log_behind\"") == 1);
  CHECK_THAT(log.all(), Catch::Contains("ALARM: the log is behind"));
}
