// The oracle must see what it is there for: each rule finds a fault that is planted, and a sound run is clean.
#include "tests/chaos/oracle.h"

#include <unistd.h>
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/fakes/approved_messages.h"
#include "tests/fakes/postgres_server.h"
#include "tests/fakes/process.h"

using namespace signet;

namespace {

constexpr int64_t kSecondUs = 1'000'000;

// Three messages that were sent as they should be, each by one attempt at a provider of another kind, and the way to
// change one thing of it.
struct Made {
  Made() : keys(test_keys(random)), session(shared_postgres().session("postgres")) {
    shared_postgres().clear();
    ApprovedMessages messages(*session, keys, clock, random);
    for (int i = 0; i < 3; i++) ids.push_back(messages.insert({sms("+61491570156", "hello"), "sms"}));
    now = clock.wall();
    const char* providers[] = {"idem", "query", "blind"};
    for (size_t i = 0; i < 3; i++) {
      start(i, 1, providers[i], -10);
      result(i, 1, 1);
      ends(i, 6);
      see(i, 1, providers[i], "accepted", "201", -9);
    }
    evidence.rules = {{"idem", EffectRule::once}, {"query", EffectRule::once}, {"blind", EffectRule::resolved}};
    evidence.acknowledged = ids;
    evidence.permit_start_ms = 2000;
  }

  void sql(const std::string& text) {
    auto done = session->run(text);
    if (!done) throw std::runtime_error(done.error().text);
  }
  std::string at(int seconds) const { return "'" + rfc3339({now.us + seconds * kSecondUs}) + "'"; }
  std::string id(size_t i) const { return "'" + ids[i].text() + "'"; }
  void start(size_t i, int attempt, const std::string& provider, int seconds, int kind = 1) {
    sql("insert into attempt_start (message_id, attempt_no, kind, instance, provider, permitted_at) values (" + id(i) +
        ", " + std::to_string(attempt) + ", " + std::to_string(kind) + ", 'd', '" + provider + "', " + at(seconds) +
        ")");
  }
  void result(size_t i, int attempt, int outcome) {
    sql("insert into attempt_result (message_id, attempt_no, outcome, finished_at) values (" + id(i) + ", " +
        std::to_string(attempt) + ", " + std::to_string(outcome) + ", now())");
  }
  void ends(size_t i, int status) {
    if (status != 5) sql("update message set status = 5 where status = 4 and id = " + id(i));
    sql("update message set status = " + std::to_string(status) + " where id = " + id(i));
    sql("delete from due where message_id = " + id(i));
  }
  void decide(size_t i, int attempt, const std::string& word) {
    sql("insert into decision values (gen_random_uuid(), " + id(i) + ", " + std::to_string(attempt) + ", '" + word +
        "', 'd', 'r', now())");
  }
  // An insert-only row, changed past its guards.
  void tamper(const std::string& table, const std::string& text) {
    auto done =
        session->script("begin; alter event trigger signet_ddl disable; alter table " + table +
                        " disable trigger insert_only; " + text + "; alter table " + table +
                        " enable always trigger insert_only; alter event trigger signet_ddl enable always; commit");
    if (!done) throw std::runtime_error(done.error().text);
  }
  // What the lifecycle does not allow is planted behind its back.
  void force_status(size_t i, int status) {
    sql("alter table message disable trigger message_status");
    sql("update message set status = " + std::to_string(status) + " where id = " + id(i));
    sql("alter table message enable trigger message_status");
  }
  void see(size_t i, int attempt, const std::string& provider, const std::string& verdict, const std::string& answer,
           int seconds) {
    evidence.seen.push_back({{now.us + seconds * kSecondUs},
                             provider,
                             ids[i].text() + "." + std::to_string(attempt),
                             verdict,
                             answer,
                             verdict == "accepted"});
  }
  std::string faults() {
    std::string out;
    for (const auto& fault : judge(*session, evidence).faults)
      out +=
          fault.contract + ' ' + fault.rule.substr(0, fault.rule.find(':')) + ' ' + std::to_string(fault.count) + ';';
    return out;
  }

  SystemClock clock;
  SystemRandom random;
  Keyring keys;
  std::unique_ptr<PgSession> session;
  std::vector<Uuid> ids;
  WallTime now;
  Evidence evidence;
};

}  // namespace

TEST_CASE("a run in which each message was sent once is clean, and is counted") {
  Made made;
  CHECK(made.faults() == "");
  const auto judgement = judge(*made.session, made.evidence);
  CHECK(judgement.counts.at("messages") == 3);
  CHECK(judgement.counts.at("requests") == 3);
  CHECK(judgement.counts.at("effects_once") == 2);
  CHECK(judgement.counts.at("delivered") == 3);
  CHECK(judgement.is_clean());
}

TEST_CASE("an acknowledged message without a row, or queued without being due, is lost") {
  Made made;
  SECTION("no row") { made.evidence.acknowledged.push_back(IdSource(made.clock, made.random).next()); }
  SECTION("queued and not due") {
    made.force_status(0, 4);
    made.evidence.seen.erase(made.evidence.seen.begin());
  }
  CHECK(made.faults() == "I1 lost 1;");
}

TEST_CASE("a second effect is found, by the rule of its provider's class") {
  Made made;
  SECTION("idempotent: a recorded resend excuses nothing, since its key is the same") {
    made.start(0, 2, "idem", -5);
    made.result(0, 2, 1);
    made.decide(0, 1, "resend");
    made.see(0, 2, "idem", "accepted", "201", -4);
    CHECK(made.faults() == "I5 twice_once 1;");
    made.evidence.seen.back().has_effect = false;  // the judge knew the key
    CHECK(made.faults() == "");
  }
  SECTION("blind: only beyond the recorded resends") {
    made.start(2, 2, "blind", -5);
    made.result(2, 2, 1);
    made.decide(2, 1, "resend");
    made.see(2, 2, "blind", "accepted", "201", -4);
    CHECK(made.faults() == "");
    made.start(2, 3, "blind", -3);
    made.result(2, 3, 1);
    made.see(2, 3, "blind", "accepted", "201", -2);
    CHECK(made.faults() == "I5 twice_resolved 1;I4 ungrounded 1;");
  }
}

TEST_CASE("a request without a permit, before its permit, under a void's, or at another provider is found") {
  Made made;
  SECTION("none") {
    made.see(1, 2, "query", "refused", "500", -5);
    CHECK(made.faults() == "I2 unpermitted 1;");
  }
  SECTION("before it") {
    made.evidence.seen[1].at.us = made.now.us - 11 * kSecondUs;
    CHECK(made.faults() == "I2 unpermitted 1;");
  }
  SECTION("a void") {
    made.start(1, 2, "", -6, 2);
    made.see(1, 2, "query", "refused", "500", -5);
    CHECK(made.faults() == "I2 unpermitted 1;");
  }
  SECTION("elsewhere") {
    made.evidence.seen[1].provider = "idem";
    CHECK(made.faults() == "I2 elsewhere 1;");
  }
  SECTION("nameless") {
    made.evidence.seen[1].echo = "";
    CHECK(made.faults() == "I2 nameless 1;I6 unproven_success 1;");
  }
}

TEST_CASE("an attempt that a provider saw twice is found, though it took it once") {
  Made made;
  made.see(0, 1, "idem", "refused", "500", -9);
  CHECK(made.faults() == "I3 repeated 1;");
}

TEST_CASE("a further attempt must rest on a retryable or unsent result, a void and an approval, or a decision") {
  Made made;
  made.evidence.seen.erase(made.evidence.seen.begin());
  made.tamper("attempt_result", "update attempt_result set outcome = 3 where message_id = " + made.id(0));
  made.start(0, 2, "idem", -5);
  made.result(0, 2, 1);
  made.see(0, 2, "idem", "accepted", "201", -4);
  CHECK(made.faults() == "I4 ungrounded 1;");
  made.tamper("attempt_result",
              "update attempt_result set outcome = 2 where attempt_no = 1 and message_id = " + made.id(0));
  CHECK(made.faults() == "");
}

TEST_CASE("a success or failure without evidence, and a doubt that is denied or hidden, are found") {
  Made made;
  SECTION("nobody took it") {
    made.evidence.seen[0].verdict = "refused";
    made.evidence.seen[0].has_effect = false;
    CHECK(made.faults() == "I6 unproven_success 1;");
  }
  SECTION("it was taken, and is called failed") {
    made.force_status(0, 8);
    CHECK(made.faults() == "I6 unproven_failure 1;");
    made.sql("update message set is_proven = false where id = " + made.id(0));
    CHECK(made.faults() == "");
  }
  SECTION("no reply, and the result says accepted") {
    made.evidence.seen[0].answer = "reset";
    CHECK(made.faults() == "I6 doubt_denied 1;");
  }
  SECTION("in doubt, and the message says delivered without a receipt") {
    made.evidence.seen[0].answer = "none";
    made.tamper("attempt_result", "update attempt_result set outcome = 4 where message_id = " + made.id(0));
    CHECK(made.faults() == "I1 doubt_hidden 1;");
    made.force_status(0, 10);
    CHECK(made.faults() == "");
  }
}

TEST_CASE("gaps, permits and results without each other, and broken evidence are found") {
  Made made;
  SECTION("a gap") {
    made.start(0, 3, "idem", -5, 2);
    CHECK(made.faults() == "I7 gap 1;");
  }
  SECTION("a permit without a result") {
    made.decide(0, 1, "requeue");
    made.start(0, 2, "idem", -5);
    CHECK(made.faults() == "I7 unended 1;");
  }
  SECTION("a result without a permit") {
    made.result(0, 2, 1);
    CHECK(made.faults() == "I7 unbegun 1;");
  }
  SECTION("an entry that was changed, and one that is gone") {
    SECTION("changed") {
      made.tamper("audit.entry",
                  "update audit.entry set canon = canon || '\\x20'::bytea where action = 'queued' and "
                  "object_id = " +
                      made.id(0));
      CHECK(made.faults() == "I7 leaf 1;");
    }
    SECTION("gone") {
      made.tamper("audit.entry", "delete from audit.entry where action = 'queued' and object_id = " + made.id(0));
      CHECK(made.faults() == "I7 chain 1;");
    }
  }
}

TEST_CASE("what a provider that stood still read late is not late, unless it can only have come late") {
  Made made;
  auto& seen = made.evidence.seen[0];
  const WallTime in_time = seen.at;
  seen.at.us = made.now.us - 3 * kSecondUs;
  seen.since = in_time;
  CHECK(made.faults() == "");
  seen.since = WallTime{made.now.us - 15 * kSecondUs / 2};  // half a second past its limit: no tolerance here
  CHECK(made.faults() == "I10 late 1;");
}

TEST_CASE("what comes too late after its permit, its expiry or its cancel is found") {
  Made made;
  SECTION("permit") {
    made.evidence.seen[0].at.us = made.now.us - 6 * kSecondUs;
    CHECK(made.faults() == "I10 late 1;");
  }
  SECTION("expiry") {
    made.sql("update message set expires_at = " + made.at(-12) + " where id = " + made.id(1));
    CHECK(made.faults() == "I10 expired 1;");
  }
  SECTION("cancel") {
    made.evidence.cancelled.emplace_back(made.ids[2], WallTime{made.now.us - 12 * kSecondUs});
    CHECK(made.faults() == "I10 cancelled 1;");
  }
}

TEST_CASE("a journal is read with its torn last line left out; the sandbox's lines are lines too") {
  char name[] = "/tmp/signet-oracle.XXXXXX";
  ::close(::mkstemp(name));
  write_file(name, R"({"n":1,"at":"2026-11-22T00:41:26.000000Z","channel":"sms","recipient":"+61",)"
                   R"("echo":"a.1","verdict":"accepted","answer":"201"})"
                   "\n"
                   R"({"n":2,"at":"2026-11-22T00:41:27.000000Z","provider":"idem",)"
                   R"("echo":"b.1","verdict":"accepted","answer":"reset","effect":false})"
                   "\n"
                   R"({"n":3,"at":"2026-)");
  const auto seen = read_seen(name);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].provider == "sms");
  CHECK(seen[0].has_effect);
  CHECK(seen[1].provider == "idem");
  CHECK_FALSE(seen[1].has_effect);
  write_file(name, "nonsense\n");
  CHECK_THROWS(read_seen(name));
  std::filesystem::remove(name);
}
