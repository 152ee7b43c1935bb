#include "daemon/evidence/verifier.h"

#include <thread>

#include "tests/daemon/evidence/log_world.h"

using namespace signet;

namespace {

struct Fixture : LogWorld {
  std::vector<IntegrityFault> alarms;
  Sequencer writer = sequencer();
  Verifier reader{shared_postgres().options("signet_verify"),
                  {},
                  key,
                  clock,
                  ids,
                  log,
                  metrics,
                  [this](const IntegrityFault& fault) { alarms.push_back(fault); }};

  void write() {
    while (writer.pass()) {
    }
  }
  void verify() {
    auto done = reader.verify();
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  Uuid event_at(int64_t seq) {
    return superuser->run("select event_id from audit.log where seq = $1", {seq})->uuid(0, 0);
  }
  // The one fault there is.
  void check_fault(const std::string& what, std::optional<int64_t> seq) {
    auto faults = read_faults(*app, 10);
    REQUIRE(faults.ok());
    INFO((faults->empty() ? "" : describe(faults->back())));
    REQUIRE(faults->size() == 1);
    CHECK(faults->at(0).what == what);
    CHECK(faults->at(0).seq == seq);
    REQUIRE(alarms.size() == 1);
    CHECK(alarms[0].what == what);
    CHECK(metrics.value("signet_alarm", "reason=\"integrity\"") == 1);
    CHECK(metrics.value("signet_integrity_faults") == 1);
  }
  std::string entry(int64_t seq) {
    return " where event_id = (select event_id from audit.log where seq = " + std::to_string(seq) + ")";
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "what was written verifies, and what comes is verified on from there") {
  ApprovedMessages messages(*app, keys, clock, random);
  messages.insert(std::vector<ApprovedOptions>(300, {sms("+61491570006", "hello")}));
  insert(50);
  write();
  verify();
  insert(20);
  write();
  verify();
  auto state = read_integrity(*app);
  REQUIRE(state.ok());
  CHECK(state->log_size == 670);
  CHECK(state->faults == 0);
  REQUIRE(state->levels.size() == 2);
  CHECK(state->levels[0].size == 670);
  CHECK(state->levels[1].size == 670);
  CHECK(alarms.empty());
  CHECK(metrics.value("signet_log_verified_size") == 670);
}

TEST_CASE_METHOD(Fixture, "a superuser who changes an entry with the triggers off is named by place and event") {
  ApprovedMessages(*app, keys, clock, random).insert({sms("+61491570006", "hello")});
  insert(5);
  write();
  tamper("update audit.entry set canon = convert_to(replace(convert_from(canon, 'UTF8'), 'login', 'logic'), 'UTF8')" +
         entry(4));
  verify();
  check_fault("leaf", 4);
  CHECK(alarms[0].event_id == event_at(4));
  CHECK_THAT(log.all(),
             Catch::Contains("ALARM: evidence does not verify fault=leaf seq=4 event_id=" + event_at(4).text()));
  CHECK(describe(alarms[0]) == "leaf at 4, event " + event_at(4).text());
  verify();  // told once
  CHECK(alarms.size() == 1);
}

TEST_CASE_METHOD(Fixture, "each way to change what was committed is named") {
  ApprovedMessages(*app, keys, clock, random).insert({sms("+61491570006", "hello")});
  insert(5);
  write();
  SECTION("canon and leaf together") {
    tamper("update audit.entry set canon = convert_to(replace(convert_from(canon, 'UTF8'), 'login', 'logic'), 'UTF8')" +
           entry(4) + "; update audit.entry set leaf = sha256('\\x00'::bytea || canon)" + entry(4));
    verify();
    check_fault("log_leaf", 4);
  }
  SECTION("a searched column") {
    const std::string change = GENERATE("action = 'logout'", "actor_id = null", "status = 5", "provider = 'x'",
                                        "at = at + interval '1 microsecond'", "object_id = event_id");
    INFO(change);
    tamper("update audit.entry set " + change + entry(5));
    verify();
    check_fault("projection", 5);
  }
  SECTION("an entry that is gone") {
    tamper("delete from audit.entry" + entry(3));
    verify();
    check_fault("entry_missing", 3);
  }
  SECTION("a place that is gone") {
    tamper("delete from audit.log where seq = 6");
    verify();
    auto faults = read_faults(*app, 10);
    REQUIRE(faults.ok());
    REQUIRE_FALSE(faults->empty());
    for (const auto& fault : *faults) CHECK(fault.what == "log_gap");
    CHECK(faults->front().seq == 6);
  }
  SECTION("a message's head") {
    tamper("update message set event_leaf = sha256('other')");
    verify();
    auto faults = read_faults(*app, 10);
    REQUIRE(faults.ok());
    REQUIRE(faults->size() == 2);  // both of its events lead to it
    CHECK(faults->front().what == "head");
  }
}

TEST_CASE_METHOD(Fixture, "a message's chain with an event left out is named at the next one") {
  ApprovedMessages messages(*app, keys, clock, random);
  messages.insert({sms("+61491570006", "hello")});
  // The first event is taken away before it has its place.
  tamper("delete from audit.entry where action = 'submitted_for_review'");
  write();
  verify();
  check_fault("chain", 0);
}

TEST_CASE_METHOD(Fixture, "a checkpoint that another key signed, or of another root, is named") {
  insert(10);
  write();
  SECTION("note") {
    tamper("update audit.checkpoint set note = replace(note, 'signet/test', 'signet/else')");
    verify();
    check_fault("note", 10);
  }
  SECTION("root") {
    tamper("update audit.log set leaf = sha256('other') where seq = 9; update audit.entry set leaf = sha256('other')" +
           entry(9));
    verify();
    auto faults = read_faults(*app, 10);
    REQUIRE(faults.ok());
    std::vector<std::string> named;
    for (const auto& fault : *faults) named.push_back(fault.what);
    CHECK(named == std::vector<std::string>{"leaf", "root"});
  }
}

TEST_CASE_METHOD(Fixture, "a log that is cut or rewritten after it was verified does not extend what was pinned") {
  insert(600);
  write();
  verify();
  SECTION("an older checkpoint is the newest") {
    insert(1);
    write();
    verify();
    tamper("delete from audit.checkpoint where size = 601");
    verify();
    check_fault("consistency", 600);
  }
  SECTION("a tile") {
    insert(1);
    write();
    tamper("update audit.tile set hashes = set_byte(hashes, 7, get_byte(hashes, 7) # 1) where level = 0 and idx = 1");
    Verifier again(shared_postgres().options("signet_verify"), {}, key, clock, ids, log, metrics,
                   [this](const IntegrityFault& fault) { alarms.push_back(fault); });
    CHECK_FALSE(again.verify().ok());  // `reader` holds the place
  }
}

TEST_CASE_METHOD(LogWorld, "after a restart what was pinned binds: a changed tile and a changed leaf are named") {
  insert(600);
  auto writer = sequencer();
  (void)writer.pass();
  auto reader = [&] {
    return Verifier(shared_postgres().options("signet_verify"), {}, key, clock, ids, log, metrics, {});
  };
  REQUIRE(reader().verify().ok());
  while (count("pg_locks where locktype = 'advisory' and objid = 7460918") > 0) std::this_thread::yield();
  SECTION("tile") {
    tamper("update audit.tile set hashes = set_byte(hashes, 7, get_byte(hashes, 7) # 1) where level = 0 and idx = 1");
    REQUIRE(reader().verify().ok());
    auto faults = read_faults(*app, 10);
    REQUIRE((faults.ok() && faults->size() == 1));
    CHECK(faults->at(0).what == "tile");
    CHECK(faults->at(0).seq == 256);
  }
  SECTION("leaf") {
    tamper("update audit.log set leaf = sha256('forged') where seq = 599");
    REQUIRE(reader().verify().ok());
    auto faults = read_faults(*app, 10);
    REQUIRE((faults.ok() && !faults->empty()));
    CHECK(faults->back().what == "consistency");
    CHECK(faults->back().seq == 600);
  }
}

TEST_CASE_METHOD(Fixture, "a row in a default partition alarms") {
  insert(1);
  write();
  verify();
  CHECK(metrics.value("signet_alarm", "reason=\"default_partition\"") == 0);
  REQUIRE(superuser
              ->script("insert into decision values (gen_random_uuid(), 'ffffffff-0000-7000-8000-000000000001', 1, "
                       "'fail', 'a', 'b', now())")
              .ok());
  verify();
  verify();
  CHECK(metrics.value("signet_alarm", "reason=\"default_partition\"") == 1);
  CHECK_THAT(log.all(), Catch::Contains("decision_default"));
}

TEST_CASE_METHOD(Fixture, "the verifier's login can write what it found and nothing else") {
  auto session = shared_postgres().session("signet_verify");
  for (const char* change :
       {"update message set status = 9", "delete from audit.fault", "update audit.cursor set size = 0",
        "insert into audit.log values (0, gen_random_uuid(), sha256('x'))"}) {
    INFO(change);
    auto refused = session->script(change);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::forbidden);
  }
}
