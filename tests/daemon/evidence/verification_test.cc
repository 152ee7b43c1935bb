#include "daemon/evidence/verification.h"

#include "daemon/evidence/verification_task.h"
#include "store/integrity.h"
#include "tests/daemon/evidence/log_world.h"

using namespace signet;

namespace {

struct Fixture : LogWorld {
  VerificationParts parts{shared_postgres().options("signet_verify"), key.name, keys, clock};

  void write() {
    auto one = sequencer();
    while (one.pass()) {
    }
  }
  VerificationReport verify(const VerificationRange& range = {}, const VerificationReport& before = {}) {
    auto report = verify_log(parts, range, before, {});
    REQUIRE((report.ok() ? "" : report.error().text) == "");
    return std::move(*report);
  }
  std::vector<Uuid> send(int count) {
    return ApprovedMessages(*app, keys, clock, random)
        .insert(std::vector<ApprovedOptions>(static_cast<size_t>(count), {sms("+61491570006", "hello")}));
  }
};

// What a task's work is given, without the table of tasks.
class PlainRun : public TaskRun {
 public:
  explicit PlainRun(Task task) : task_(std::move(task)), session_(shared_postgres().session()) {}
  const Task& task() const override { return task_; }
  PgSession& session() override { return *session_; }
  Sink& file() override { std::abort(); }
  Result<void> progress(int64_t, int64_t) override {
    if (++calls > stop_after) return Error{ErrorCode::unavailable, "the daemon stops"};
    return {};
  }
  int calls = 0, stop_after = 1 << 30;

 private:
  const Task task_;
  std::unique_ptr<PgSession> session_;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an empty log verifies, and so does a whole one with its messages") {
  const auto none = verify();
  CHECK(none.findings.empty());
  CHECK(none.entries == 0);
  send(300);
  insert(500);
  write();
  const auto all = verify();
  CHECK(findings_json(all.findings) == "[]");
  CHECK(all.entries == 1100);
  CHECK(all.to == 1100);
  CHECK(all.messages == 300);
  CHECK(all.checkpoints == 1);
  CHECK(all.root == newest_checkpoint(*superuser).value()->root);
  CHECK(parse_findings(findings_json({{"tile", 256, std::nullopt, "audit.tile", "0/1"}})) ==
        Discrepancies{{"tile", 256, std::nullopt, "audit.tile", "0/1"}});
}

TEST_CASE_METHOD(Fixture, "what a purge erased verifies and is counted; what is gone without one is a fault") {
  const auto ids = send(3);
  write();
  {
    PgTransaction tx(*app);
    auto row = lock_message(tx, ids[0]);
    REQUIRE((row.ok() && row->has_value()));
    Event event;
    event.id = this->ids.next();
    event.at = clock.wall();
    event.actor = {"signetd-1", "daemon", "", "", ""};
    event.action = "purged";
    event.object = {"message", ids[0].text(), std::nullopt, std::nullopt};
    REQUIRE(insert_entry(tx, entry_of(event, ids[0])).ok());
    REQUIRE(tx.commit().ok());
  }
  auto purge = shared_postgres().session("signet_purge");
  REQUIRE(purge->run("delete from content where message_id = $1", {ids[0]}).ok());
  REQUIRE(purge->run("delete from data_key where message_id = $1", {ids[0]}).ok());
  write();
  auto report = verify();
  CHECK(findings_json(report.findings) == "[]");
  CHECK(report.erased == 1);
  REQUIRE(purge->run("delete from data_key where message_id = $1", {ids[1]}).ok());
  report = verify();
  REQUIRE(report.findings.size() == 1);
  CHECK(report.findings[0].what == "key_missing");
  CHECK(report.findings[0].relation == "data_key");
  CHECK(report.findings[0].row_key == ids[1].text());
  CHECK(report.erased == 1);
}

TEST_CASE_METHOD(Fixture, "a verification that was broken off goes on where it was, and says what it found before") {
  send(10);
  insert(9000);
  write();
  tamper("update audit.entry set action = 'logout' where event_id = (select event_id from audit.log where seq = 100)");
  std::vector<IntegrityFault> alarms;
  const FaultRecord record(clock, ids, log, metrics, [&](const IntegrityFault& fault) { alarms.push_back(fault); });
  const auto work = verification_work(parts, record);
  Task task;
  task.id = ids.next();
  PlainRun first(task);
  first.stop_after = 1;
  const auto stopped = work(first);
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().code == ErrorCode::unavailable);
  const auto kept = read_run(*superuser, task.id);
  REQUIRE((kept.ok() && kept->has_value()));
  CHECK((*kept)->size > 0);
  CHECK((*kept)->size < 9000);
  CHECK(alarms.size() == 1);  // at once
  PlainRun second(task);
  const auto ended = work(second);
  REQUIRE((ended.ok() ? "" : ended.error().text) == "");
  CHECK_THAT(ended->result, Catch::Contains("\"entries\":9020"));
  CHECK_THAT(ended->result, Catch::Contains("\"seq\":100"));
  CHECK_THAT(ended->result, Catch::Contains("\"ok\":false"));
  CHECK(second.calls < 5);
  CHECK(alarms.size() == 1);
  CHECK_FALSE(read_run(*superuser, task.id)->has_value());
  const auto levels = read_verifications(*superuser);
  REQUIRE((levels.ok() && !levels->empty()));
  CHECK(levels->back().level == 3);
  CHECK(levels->back().size == 9020);
}

TEST_CASE_METHOD(Fixture, "slices go through the log, and through it again; a fault in one is named") {
  send(20);
  insert(1500);
  write();
  std::vector<IntegrityFault> alarms;
  VerifierSettings settings;
  settings.slice_min = 512;
  Verifier reader(
      shared_postgres().options("signet_verify"), settings, key, clock, ids, log, metrics,
      [&](const IntegrityFault& fault) { alarms.push_back(fault); }, &keys);
  REQUIRE(reader.verify().ok());
  auto cursor = [&] {
    const auto levels = read_verifications(*superuser);
    for (const auto& level : *levels)
      if (level.level == 2) return level.size;
    return int64_t{0};
  };
  for (int64_t expected : {512, 1024, 1536, 1540, 512}) {
    REQUIRE(reader.verify_slice().ok());
    CHECK(cursor() == expected);
  }
  CHECK(alarms.empty());
  tamper("update audit.entry set provider = 'x' where event_id = (select event_id from audit.log where seq = 700)");
  REQUIRE(reader.verify_slice().ok());
  REQUIRE(alarms.size() == 1);
  CHECK(describe(alarms[0]) == "projection at 700, event " + alarms[0].event_id->text());
  CHECK(alarms[0].level == 2);
  // A tile before the slice that has the next checkpoint: it is named, not the root that does not fit.
  REQUIRE(reader.verify_slice().ok());
  CHECK(cursor() == 1536);
  tamper("update audit.tile set hashes = set_byte(hashes, 7, get_byte(hashes, 7) # 1) where level = 0 and idx = 1");
  REQUIRE(reader.verify_slice().ok());
  REQUIRE(alarms.size() == 2);
  CHECK(alarms[1].relation == "audit.tile");
  CHECK(alarms[1].row_key == "0/1");
}

TEST_CASE_METHOD(Fixture, "the whole log is verified once a night, and asked for again until it is") {
  int asked = 0;
  auto session = shared_postgres().session();
  insert(1);
  write();
  Verifier reader(shared_postgres().options("signet_verify"), {}, key, clock, ids, log, metrics, {}, &keys,
                  [&] { asked++; });
  (void)reader.pass();
  CHECK(asked == 1);
  (void)reader.pass();
  CHECK(asked == 1);
  {
    PgTransaction tx(*session);
    auto id = insert_nightly(tx, "signetd-1", ids, clock.wall());
    REQUIRE((id.ok() && id->has_value()));
    auto again = insert_nightly(tx, "signetd-1", ids, clock.wall());
    REQUIRE((again.ok() && !again->has_value()));  // one is waiting
    REQUIRE(tx.commit().ok());
  }
}
