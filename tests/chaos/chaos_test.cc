// What the acceptance of the main job asks: crashes, a Redis that forgets, tampering, servers that go away.
#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/chaos/world.h"
#include "tests/fakes/markers.h"

using namespace signet;

namespace {

constexpr char kUnsettled[] = "message where status in (4, 5)";  // queued, sent: an SMS's receipt is still to come

void check_nothing_twice(World& world) {
  const auto summary = nlohmann::json::parse(world.sandbox_summary());
  INFO(summary.dump());
  CHECK(summary["twice"].empty());
  CHECK(summary["repeatedAttempts"].empty());
}

}  // namespace

TEST_CASE("I1 kill -9 in the middle of 2,000 messages: each ends final or in doubt, none is sent twice") {
  World world;
  world.insert_sms(2000);
  world.start_daemon();
  wait_until("some hundred are sent", [&] { return world.sandbox_accepted() >= 500; });
  world.kill_daemon();
  const int64_t in_flight = world.count(
      "attempt_start s where not exists (select from attempt_result r where r.message_id = s.message_id "
      "and r.attempt_no = s.attempt_no)");
  const int64_t before = world.sandbox_accepted();
  INFO("in flight at the kill: " << in_flight << ", arrived before it: " << before);
  CHECK(before < 2000);
  CHECK(in_flight <= 64);
  world.start_daemon();
  wait_until(
      "all are settled", [&] { return world.count(kUnsettled) == 0; }, 90);
  CHECK(world.count("message where status in (6, 10)") == 2000);
  CHECK(world.count("message where status = 10") <= in_flight);
  CHECK(world.count("due") == 0);
  check_nothing_twice(world);
  // Each message is exactly once in the journal, but for those in doubt, of which some never left.
  CHECK(world.sandbox_accepted() >= 2000 - in_flight);
  CHECK(world.stop_daemon() == 0);
}

TEST_CASE(
    "I8 FLUSHALL in the middle of 2,000 messages: all end delivered, none twice, and Redis never saw a recipient") {
  World world;
  Process monitor({"redis-cli", "-p", std::to_string(world.redis.port()), "MONITOR"}, world.folder + "/monitor.log");
  wait_until("MONITOR listens",
             [&] { return read_file(world.folder + "/monitor.log").find("OK") != std::string::npos; });
  world.insert_sms(2000);
  world.start_daemon();
  wait_until("some hundred are sent", [&] { return world.sandbox_accepted() >= 400; });
  CHECK(world.sandbox_accepted() < 2000);
  world.redis.command({"FLUSHALL"});
  wait_until(
      "all are delivered", [&] { return world.count("message where status = 6") == 2000; }, 90);
  CHECK(world.sandbox_accepted() == 2000);
  check_nothing_twice(world);
  CHECK(world.stop_daemon() == 0);
  const std::string seen = read_file(world.folder + "/monitor.log");
  CHECK(seen.size() > 10000);  // it did see the traffic
  CHECK(seen.find("flushall") + seen.find("FLUSHALL") != std::string::npos);
  for (const char* marker : {"+6149157", "SECRETTEXT", "letter", "clinic"}) {
    INFO(marker);
    CHECK(seen.find(marker) == std::string::npos);
  }
}

TEST_CASE("what names a patient reaches the provider, and is in no log, metric, problem, Redis value or table") {
  World world({.log_level = "debug"});
  Process monitor({"redis-cli", "-p", std::to_string(world.redis.port()), "MONITOR"}, world.folder + "/monitor.log");
  wait_until("MONITOR listens",
             [&] { return read_file(world.folder + "/monitor.log").find("OK") != std::string::npos; });
  world.start_daemon();
  const std::string token = world.token("reviewer"), m = kMarker;
  auto post = [&](const std::string& path, const std::string& body) {
    return world.http("POST", world.admin_port, path, body, token);
  };
  // The sandbox shows what it was sent: the search below can find it there.
  const auto draft =
      post("/api/messages", R"({"kind":"sms","recipientPhone":")" + std::string(kPhone) + R"(","contentDraft":")" + m +
                                R"( result","patientId":")" + m + R"(","clinicalValues":[{"id":"v-1","name":")" + m +
                                R"(","value":")" + m + R"(","type":"measurement","critical":true}]})");
  REQUIRE(draft.status == 201);
  CHECK_FALSE(has_marker(draft.body));
  const std::string id = nlohmann::json::parse(draft.body)["id"];
  // Refused in many ways; only the 2001 to who is entitled to the content names a value.
  const auto unverified = post("/api/message-workflow/send-directly", R"({"messageId":")" + id + "\"}");
  CHECK(unverified.status == 400);
  CHECK(has_marker(unverified.body));
  std::string problems;
  for (const auto& answer :
       {post("/api/messages", "{\"" + m), post("/api/messages", R"({"kind":"sms","recipientPhone":")" + m + "\"}"),
        post("/api/messages/" + m + "/cancel", ""), post("/api/messages/search", R"({"recipientPhone":")" + m + "\"}"),
        world.http("GET", world.admin_port, "/api/messages?status=" + m, "", token),
        world.http("POST", world.webhooks_port, "/webhooks/twilio-main", m)}) {
    CHECK(answer.status >= 400);
    problems += answer.body;
  }
  CHECK(post("/api/audit-logs", R"({"note":")" + m + R"(","messageId":")" + id + "\"}").status == 201);
  const auto sent = post("/api/message-workflow/send-directly", R"({"messageId":")" + id + R"(","reviewNotes":")" + m +
                                                                    R"(","verifiedValueIds":["v-1"],"finalContent":")" +
                                                                    m + R"( good"})");
  REQUIRE(sent.status == 200);
  wait_until("its receipt is in", [&] { return world.count("message where status = 6") == 1; });
  CHECK(has_marker(world.http("GET", world.admin_port, "/api/messages/" + id, "", token).body));
  const std::string metrics = world.metrics();
  CHECK(world.stop_daemon() == 0);

  CHECK(has_marker(world.journal()));
  CHECK_FALSE(has_marker(problems));
  CHECK(metrics.find("signet_attempts_total") != std::string::npos);
  CHECK_FALSE(has_marker(metrics));
  CHECK(world.daemon_log().size() > 500);
  CHECK_FALSE(has_marker(world.daemon_log()));
  const std::string seen = read_file(world.folder + "/monitor.log");
  CHECK(seen.size() > 1000);  // it did see the traffic
  CHECK_FALSE(has_marker(seen));
  auto tables = tables_with_markers(*world.postgres.session("postgres"));
  REQUIRE(tables.ok());
  CHECK(*tables == std::vector<std::string>{});
}

TEST_CASE("a changed byte in envelope, MAC, commitment or recipient key: nothing is sent, and an alarm is raised") {
  const char* target =
      GENERATE("update content set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)",
               "update approval set approval_mac = set_byte(approval_mac, 3, get_byte(approval_mac, 3) # 1)",
               "update approval set envelope_commit = set_byte(envelope_commit, 0, get_byte(envelope_commit, 0) # 128)",
               "update message set recipient_key = set_byte(recipient_key, 31, get_byte(recipient_key, 31) # 1)",
               "update data_key set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)");
  INFO(target);
  World world;
  world.insert_sms(1);
  world.as_superuser("alter table approval disable trigger user; " + std::string(target) +
                     "; alter table approval enable always trigger insert_only");
  world.start_daemon();
  wait_until("the message ends", [&] { return world.count("message where status = 8") == 1; });
  CHECK(world.value("select failure_reason from message") == "content_mismatch");
  CHECK(world.count("message where is_proven") == 0);
  CHECK(world.sandbox_accepted() == 0);
  CHECK(world.journal().empty());
  CHECK(world.metrics().find("signet_alarm{reason=\"content_mismatch\"} 1") != std::string::npos);
  CHECK(world.daemon_log().find("ALARM") != std::string::npos);
  CHECK(world.daemon_log().find("49157") == std::string::npos);
  CHECK(world.stop_daemon() == 0);
}

TEST_CASE(
    "an entry that a superuser changes before it was read again is named within two minutes, and nothing else is") {
  World world;
  world.insert_sms(50);
  world.start_daemon();
  // What deliveries and receipts wrote is in the log and stands; the verifier has not seen the newest of it yet.
  wait_until("all are delivered", [&] { return world.count("message where status = 6") == 50; });
  world.token("admin");
  wait_until("all has its place", [&] {
    return world.count("audit.entry e where not exists (select from audit.log l where l.event_id = e.event_id)") == 0;
  });
  const std::string event = world.value(
      "select event_id::text from audit.log join audit.entry using (event_id) where action = 'token_created' "
      "and seq >= coalesce((select size from audit.verification where level = 1), 0)");
  REQUIRE_FALSE(event.empty());
  world.as_superuser(
      "alter table audit.entry disable trigger user; "
      "update audit.entry set canon = convert_to(replace(convert_from(canon, 'UTF8'), 'token_created', "
      "'token_revoked'), 'UTF8') where action = 'token_created'; alter table audit.entry enable always trigger "
      "insert_only");
  wait_until(
      "it is named", [&] { return world.daemon_log().find(event) != std::string::npos; }, 120);
  CHECK_THAT(world.daemon_log(), Catch::Contains("ALARM: evidence does not verify"));
  CHECK(world.value("select string_agg(what || ' ' || event_id, ',') from audit.fault") == "leaf " + event);
  const auto ready = world.http("GET", world.admin_port, "/readyz");
  CHECK(ready.status == 200);
  CHECK_THAT(ready.body, Catch::Contains(event));
  CHECK(world.count("audit.entry where action = 'integrity_alarm'") == 1);
}

TEST_CASE("the daemon waits for PostgreSQL and Redis, goes on when they are back, and loses nothing") {
  World world;
  world.insert_sms(300);
  world.postgres.stop_immediate();
  world.redis.stop();
  world.start_daemon(false);
  wait_until("it listens", [&] { return world.http("GET", world.admin_port, "/healthz").status == 200; });
  CHECK(world.http("GET", world.admin_port, "/readyz").status == 503);
  const auto refused = world.http("POST", world.admin_port, "/api/messages", "{}", "sgn_" + std::string(43, 'x'));
  CHECK(refused.status == 503);
  CHECK(refused.body.find("The database is not there") != std::string::npos);
  wait_until("the log says what it waits for",
             [&] { return world.daemon_log().find("waiting for PostgreSQL") != std::string::npos; });
  CHECK(world.daemon().is_running());
  world.postgres.start();
  // Redis is still away: messages are claimed from PostgreSQL.
  wait_until("100 arrive without Redis", [&] { return world.sandbox_accepted() >= 100; });
  world.redis.start();
  world.insert_sms(300, 4000);
  wait_until("it delivers with both", [&] { return world.sandbox_accepted() >= 350; });
  world.postgres.stop_immediate();
  world.postgres.start();
  wait_until(
      "all are settled", [&] { return world.count(kUnsettled) == 0; }, 90);
  CHECK(world.count("message where status in (6, 10)") == 600);
  CHECK(world.count("message where status = 10") <= 64);
  check_nothing_twice(world);
  CHECK(world.stop_daemon() == 0);
}

TEST_CASE("I14 SIGTERM finishes what is under way and exits 0; what was not begun is delivered after the next start") {
  WorldOptions options;
  options.rate_per_s = 300;
  World world(options);
  world.insert_sms(600);
  world.start_daemon();
  wait_until("some are sent", [&] { return world.sandbox_accepted() >= 120; });
  CHECK(world.stop_daemon() == 0);
  CHECK(world.sandbox_accepted() < 600);
  CHECK(world.count("attempt_start s where not exists (select from attempt_result r where r.message_id = s.message_id "
                    "and r.attempt_no = s.attempt_no)") == 0);
  CHECK(world.count("message where status = 10") == 0);
  world.start_daemon();
  wait_until("all are delivered", [&] { return world.count("message where status = 6") == 600; });
  check_nothing_twice(world);
  CHECK(world.stop_daemon() == 0);
}

TEST_CASE("a second SIGTERM marks what hangs as in doubt and ends at once") {
  WorldOptions options;
  options.request_timeout_ms = 60000;
  World world(options);
  world.insert(sms("+61491570004", "never answered"), "sms");
  world.start_daemon();
  wait_until("the request hangs", [&] { return world.journal().find("hung") != std::string::npos; });
  world.daemon().signal(SIGTERM);
  wait_until("it stops claiming", [&] { return world.daemon_log().find("stopping") != std::string::npos; });
  CHECK(world.daemon().is_running());
  CHECK(world.stop_daemon() == 0);
  CHECK(world.value("select failure_reason from message where status = 10") == "shutdown");
}

TEST_CASE("each ending of the sandbox leads where the table of states says") {
  World world;
  struct Row {
    Envelope envelope;
    const char* lane;
    int status;
    const char* reason;
  };
  const std::vector<Row> rows{
      {sms("+61491572222", "x"), "sms", 6, ""},
      {sms("+61491570001", "x"), "sms", 8, "unknown_recipient"},
      {sms("+61491570002", "x"), "sms", 8, "undelivered"},
      {sms("+61491570003", "x"), "sms", 6, ""},
      {sms("+61491570005", "x"), "sms", 6, ""},  // reset after accepting: in doubt, then its receipt settles it
      {sms("+61491570006", "x"), "sms", 6, ""},
      {sms("+61491570007", "x"), "sms", 6, ""},
      {sms("+61491570008", "x"), "sms", 6, ""},
      {sms("+61491570009", "x"), "sms", 6, ""},
      {sms("+61491570010", "x"), "sms", 11, ""},
      {sms("+61491570004", "x"), "sms", 10, ""},
      {mail("ok@example.org", "s", "x"), "email", 5, ""},
      {mail("a0001@example.org", "s", "x"), "email", 8, "unknown_recipient"},
      {mail("a0003@example.org", "s", "x"), "email", 5, ""},
      {mail("a0005@example.org", "s", "x"), "email", 10, ""},
      {mail("a0009@example.org", "s", "x"), "email", 5, ""},
  };
  std::vector<Uuid> ids;
  for (const auto& row : rows) ids.push_back(world.insert(row.envelope, row.lane));
  world.start_daemon();
  for (size_t i = 0; i < rows.size(); i++) {
    INFO(rows[i].envelope.recipient);
    const std::string where = " from message where id = '" + ids[i].text() + "'";
    wait_until(
        rows[i].envelope.recipient + " becomes " + std::to_string(rows[i].status) + ", is " +
            world.value("select status::text || ' ' || coalesce(failure_reason, '')" + where),
        [&] { return world.value("select status::text" + where) == std::to_string(rows[i].status); }, 40);
    if (rows[i].reason[0]) CHECK(world.value("select failure_reason" + where) == rows[i].reason);
  }
  CHECK(world.value("select string_agg(reason || ' at ' || source, ', ' order by reason) from suppressions") ==
        "bounced at relay, opted_out at twilio-main");
  CHECK(nlohmann::json::parse(world.sandbox_summary())["twice"].empty());
  CHECK(world.stop_daemon() == 0);
}

TEST_CASE("the policy `fail` ends a doubt without proof, and `resend` sends once more, on record") {
  const std::string policy = GENERATE("fail", "resend");
  WorldOptions options;
  options.in_doubt = policy;
  options.in_doubt_wait_s = 1;
  options.request_timeout_ms = 1000;
  World world(options);
  world.insert(sms("+61491570004", "never answered"), "sms");
  world.start_daemon();
  if (policy == "fail") {
    wait_until("it failed", [&] { return world.count("message where status = 8 and not is_proven") == 1; });
    CHECK(world.count("attempt_start") == 1);
  } else {
    wait_until("it is sent once more", [&] { return world.count("attempt_start") >= 2; });
  }
  CHECK(world.count("decision where decision = '" + policy + "'") >= 1);
  CHECK(world.stop_daemon() == 0);
}
