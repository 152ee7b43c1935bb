#include "daemon/evidence/schedules.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/evidence/reporter.h"
#include "message/policy.h"
#include "store/alert_figures.h"
#include "tests/base/files.h"
#include "tests/daemon/evidence/log_world.h"

using namespace signet;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

struct Fixture {
  LogWorld world;
  ManualClock clock{*parse_rfc3339("2026-11-22T00:28:06Z")};
  IdSource ids{clock, world.random};
  TestDir folder;
  Routes routes{{{Kind::email, {"example.org"}, {}, {{"relay", 100}}}}};
  QuietHours quiet_hours;
  DuePlan due_plan{routes, quiet_hours};
  Receivers receivers{{}, {"compliance@example.org", "gone@nowhere.test"}, {folder / "reports"}};
  SystemMessages messages{world.keys, due_plan, receivers.mails(), clock, ids, world.random, "here"};
  Reporter reporter{{"here", "1.2.3", 7, 2}, world.key, messages, receivers, clock, ids, world.log};
  std::unique_ptr<Tasks> tasks = make_tasks("here");

  std::unique_ptr<Tasks> make_tasks(const std::string& instance) {
    TaskSettings settings;
    settings.instance = instance;
    settings.spool_dir = folder / ("spool-" + instance);
    auto out = std::make_unique<Tasks>(shared_postgres().options(), settings, clock, world.log, world.metrics, [] {});
    out->add(
        "report", [this](TaskRun& run) { return reporter.make(run); },
        [this](PgTransaction& tx, const Task& task) { return reporter.ended(tx, task); });
    REQUIRE(out->open_spool().ok());
    return out;
  }
  static ReportSchedule monthly(const std::string& deliver_to, const std::string& format = "json") {
    ReportSchedule row;
    row.name = "monthly";
    row.cron = "0 6 1 * *";
    row.format = format;
    row.deliver_to = deliver_to;
    return row;
  }
  Schedules schedules(std::vector<ReportSchedule> configured, const std::string& instance = "here") {
    return Schedules(
        shared_postgres().options(), std::move(configured), instance, clock, ids, world.log,
        [] { return Result<void>(); }, [](const Uuid&) {});
  }
  void run_tasks() {
    while (tasks->pass()) {
    }
  }
  std::string value(const std::string& sql) {
    auto rows = world.superuser->run("select (" + sql + ")::text");
    REQUIRE((rows.ok() ? "" : rows.error().text) == "");
    return rows->is_null(0, 0) ? "" : rows->text(0, 0);
  }
  void go_to(const std::string& time) { clock.advance_us(parse_rfc3339(time)->us - clock.wall().us); }
};

}  // namespace

TEST_CASE("after three months down each missed period gets one report, none twice with two daemons") {
  Fixture f;
  auto one = f.schedules({Fixture::monthly("")}), two = f.schedules({Fixture::monthly("")}, "there");
  one.pass();
  two.pass();
  CHECK(f.world.count("report_schedule") == 1);
  CHECK(f.world.count("report_run") == 0);
  f.go_to("2027-02-15T12:00:00Z");
  two.pass();
  one.pass();
  two.pass();
  CHECK(f.world.count("report_run") == 3);
  CHECK(f.world.count("task where kind = 'report'") == 3);
  CHECK(f.value(
            "select string_agg(to_char(period_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' ' || "
            "to_char(period_to at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), ', ' order by period_to) from report_run") ==
        "2026-11-22 00:28 2026-12-01 06:00, 2026-12-01 06:00 2027-01-01 06:00, 2027-01-01 06:00 2027-02-01 06:00");
  // The next in its turn, once.
  f.go_to("2027-03-01T05:59:59Z");
  one.pass();
  CHECK(f.world.count("report_run") == 3);
  f.go_to("2027-03-01T06:00:00Z");
  one.pass();
  one.pass();
  CHECK(f.world.count("report_run") == 4);
}

TEST_CASE("a schedule of the configuration follows it, one of the API is left alone") {
  Fixture f;
  f.schedules({Fixture::monthly("")}).pass();
  auto changed = Fixture::monthly("compliance@example.org");
  f.schedules({changed}).pass();
  CHECK(f.value("select deliver_to || ' ' || version from report_schedule") == "compliance@example.org 2");
  REQUIRE(
      f.world.superuser
          ->script("insert into report_schedule (id, name, source, cron, format, deliver_to, created_by, created_at, "
                   "covered_until) values (gen_random_uuid(), 'weekly', 'api', '0 6 * * 1', 'csv', '', "
                   "gen_random_uuid(), now(), now())")
          .ok());
  f.schedules({}).pass();
  CHECK(f.value("select string_agg(name, ',') from report_schedule where ended_at is null") == "weekly");
  CHECK(f.value("select string_agg(action, ',' order by event_id) from audit.entry") ==
        "report_schedule_created,report_schedule_changed,report_schedule_ended");
}

TEST_CASE("a spool that is full puts a report off, and it comes later") {
  Fixture f;
  bool has_room = false;
  Schedules schedules(
      shared_postgres().options(), {Fixture::monthly("")}, "here", f.clock, f.ids, f.world.log,
      [&] {
        return has_room ? Result<void>() : Result<void>(Error{ErrorCode::limit, "full"});
      },
      [](const Uuid&) {});
  schedules.pass();
  f.go_to("2026-12-02T00:00:00Z");
  schedules.pass();
  CHECK(f.world.count("report_run") == 0);
  has_room = true;
  schedules.pass();
  CHECK(f.world.count("report_run") == 1);
}

TEST_CASE("a scheduled report is laid into its folder, for its owner alone") {
  Fixture f;
  fs::create_directory(f.folder / "reports");
  auto schedules = f.schedules({Fixture::monthly(f.folder / "reports")});
  schedules.pass();
  f.go_to("2026-12-01T06:00:00Z");
  schedules.pass();
  f.run_tasks();
  CHECK(f.value("select state from report_run") == "delivered");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(f.folder / "reports")) files.push_back(entry.path());
  REQUIRE(files.size() == 1);
  CHECK((fs::status(files[0]).permissions() & fs::perms::all) == (fs::perms::owner_read | fs::perms::owner_write));
  const std::string json = read_file(files[0].string());
  CHECK(Json::parse(json)["period"]["madeFor"] == "schedule monthly");
  CHECK(f.value("select encode(sha256, 'hex') from task") == to_hex(view(sha256(json))));
  const Json event =
      Json::parse(f.value("select convert_from(canon, 'UTF8') from audit.entry where action = 'report'"));
  CHECK(event["detail"]["delivered"] == true);
  CHECK(event["detail"]["dataSha256"] == to_hex(view(sha256(json))));
  CHECK(f.value("select is_kept from task") == "false");
}

TEST_CASE("a report whose folder is gone is kept, and says so") {
  Fixture f;
  auto schedules = f.schedules({Fixture::monthly(f.folder / "reports")});
  schedules.pass();
  f.go_to("2026-12-01T06:00:00Z");
  schedules.pass();
  f.run_tasks();
  CHECK(f.value("select state from task") == "done");
  CHECK(f.value("select state from report_run") == "failed");
  CHECK(f.value("select failure from report_run").find("fetch the file") != std::string::npos);
  // Not swept away however long it lies there.
  CHECK(f.value("select is_kept from task") == "true");
  f.clock.advance_ms(int64_t{100} * 86'400'000);
  f.run_tasks();
  CHECK(fs::exists(f.tasks->path_of(*parse_uuid(f.value("select id from task")))));
  auto undelivered = undelivered_reports(*f.world.app);
  REQUIRE((undelivered.ok() && undelivered->size() == 1));
  CHECK(undelivered->front().name == "monthly");
}

TEST_CASE("a mailed report is a message by `system`, queued with its evidence, once however often it is told") {
  Fixture f;
  auto schedules = f.schedules({Fixture::monthly("compliance@example.org", "pdf")});
  schedules.pass();
  f.go_to("2026-12-01T06:00:00Z");
  schedules.pass();
  f.run_tasks();
  CHECK(f.value("select state from report_run") == "delivered");
  CHECK(f.value("select author_id from message") == kSystemUser.text());
  CHECK(f.value("select status || ' ' || kind || ' ' || event_n from message") == "4 2 2");
  CHECK(f.value("select policy_id || ' ' || signer_id from approval") == "system " + kSystemUser.text());
  CHECK(f.world.count("due d join message m on m.id = d.message_id") == 1);
  CHECK(f.value("select string_agg(action, ',' order by event_id) from audit.entry where object_id = (select id from "
                "message)") == "draft_generated,queued");
  CHECK(f.value("select is_kept from task") == "true");

  PgTransaction tx(*f.world.app);
  const SystemMail mail{"compliance@example.org", "A", "B", "report/" + f.value("select id from task"),
                        Priority::normal};
  auto again = f.messages.queue(tx, mail);
  REQUIRE(again.ok());
  CHECK(again->text() == f.value("select id from message"));
}

TEST_CASE("no message by `system` goes to somebody whom the configuration does not name") {
  Fixture f;
  PgTransaction tx(*f.world.app);
  auto refused = f.messages.queue(tx, {"patient@example.org", "A", "B", "r-1", Priority::normal});
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == ErrorCode::invalid);
  auto unrouted = f.messages.queue(tx, {"gone@nowhere.test", "A", "B", "r-2", Priority::normal});
  REQUIRE(!unrouted.ok());
  CHECK(unrouted.error().text.find("route") != std::string::npos);
  CHECK(f.world.count("message") == 0);
  // Nor does the database take such an approval of anybody else.
  CHECK(
      !tx.run(
             "insert into approval (id, message_id, version, decision, signer_id, signer_role, policy_id, "
             "envelope_commit, at) values (gen_random_uuid(), gen_random_uuid(), 1, 1, gen_random_uuid(), 2, 'system', "
             "decode(repeat('00', 32), 'hex'), now())")
           .ok());
}

TEST_CASE("a report proves now that the log of its end extends that of its beginning") {
  Fixture f;
  auto sequencer = f.world.sequencer();
  f.world.insert(300);
  while (sequencer.pass()) {
  }
  const std::string between =
      f.value("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  f.world.insert(400);
  while (sequencer.pass()) {
  }
  auto report = [&](const std::string& from) {
    auto json = f.reporter.json(*f.world.app, *parse_rfc3339(from), {f.world.clock.wall().us + 1'000'000}, "test");
    REQUIRE((json.ok() ? "" : json.error().text) == "");
    return Json::parse(*json)["log"];
  };
  const Json log = report(between);
  CHECK(log["from"]["size"] == 300);
  CHECK(log["to"]["size"] == 700);
  CHECK(log["consistency"] == "verified");
  CHECK(log["proofHashes"] > 0);
  CHECK(log["schemaGuards"] == true);
  CHECK(report("2020-01-01T00:00:00Z")["consistency"] == "no checkpoint at the beginning");
  f.world.tamper("update audit.tile set hashes = decode(repeat('00', 8192), 'hex') where idx = 0");
  CHECK(report(between)["consistency"] == "FAILED");
}
