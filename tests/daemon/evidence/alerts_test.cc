#include "daemon/evidence/alerts.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/actions.h"
#include "base/bytes.h"
#include "message/policy.h"
#include "providers/standard_webhook.h"
#include "tests/daemon/evidence/log_world.h"

using namespace signet;
using Json = nlohmann::json;

namespace {

constexpr int64_t kMinuteMs = 60'000;
const std::string kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Fixture {
  LogWorld world;
  ManualClock clock{world.clock.wall()};  // the database's, until it is told to go on
  IdSource ids{clock, world.random};
  Routes routes{{{Kind::email, {"example.org"}, {}, {{"relay", 100}}}}};
  QuietHours quiet_hours;
  DuePlan due_plan{routes, quiet_hours};
  Receivers receivers{
      {{"on-call", "oncall@example.org", "", {}}, {"pager", "", "https://pager.example/x", Secret(kSecret)}}, {}, {}};
  SystemMessages messages{world.keys, due_plan, receivers.mails(), clock, ids, world.random, "here"};
  std::vector<HttpCall> calls;
  Result<HttpReply> answer = HttpReply{204, {}, ""};
  AlertSettings settings;
  std::unique_ptr<Alerts> alerts;

  Fixture() {
    settings.instance = "here";
    settings.limits.log_in_burst = 3;
    start();
  }
  void start() {
    alerts.reset();
    alerts = std::make_unique<Alerts>(shared_postgres().options(), settings, receivers, messages, clock, ids, world.log,
                                      world.metrics, [this](const HttpCall& call) {
                                        calls.push_back(call);
                                        return answer;
                                      });
  }
  void pass(int64_t after_ms = 30'000) {
    clock.advance_ms(after_ms);
    alerts->pass();
  }
  void sql(const std::string& text) {
    auto done = world.superuser->script(text);
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  std::string value(const std::string& text) {
    auto rows = world.superuser->run("select (" + text + ")::text");
    REQUIRE((rows.ok() ? "" : rows.error().text) == "");
    return rows->is_null(0, 0) ? "" : rows->text(0, 0);
  }
  std::string open_rules() {
    return value(
        "select string_agg(rule || case subject when '' then '' else ':' || subject end || '=' || count, ' ' "
        "order by rule, subject) from alert where resolved_at is null");
  }
  std::string ago(int64_t ago_ms) { return "'" + rfc3339({clock.wall().us - ago_ms * 1000}) + "'"; }
  // A message by its columns alone: what a rule looks at.
  std::string message(int status, int64_t ago_ms) {
    const std::string id = ids.next().text();
    sql("insert into message (id, kind, delivery_method, status, priority, author_id, last_editor_id, event_leaf, "
        "submitted_at, updated_at) values ('" +
        id + "', 1, 1, " + std::to_string(status) + ", 3, gen_random_uuid(), gen_random_uuid(), '', " + ago(ago_ms) +
        ", " + ago(ago_ms) + ")");
    return id;
  }
  void due(const std::string& message, int64_t ago_ms) {
    sql("insert into due values ('" + message + "', 1, 3, 'sms', 'tester', null, " + ago(ago_ms) + ", null, 0)");
  }
  void event(const char* action, int count = 1) {
    PgTransaction tx(*world.app);
    for (int i = 0; i < count; i++) {
      Event event;
      event.id = ids.next();
      event.at = clock.wall();
      event.actor = {"here", "daemon", "", "", ""};
      event.action = action;
      event.object.type = "message";
      event.object.id = ids.next().text();
      if (find_action(action)->chained == Chained::always) event.object.n = 1;
      REQUIRE(insert_entry(tx, entry_of(event, *parse_uuid(event.object.id))).ok());
    }
    REQUIRE(tx.commit().ok());
  }
  void acknowledge(const std::string& rule) {
    sql("update alert set acknowledged_by = gen_random_uuid(), acknowledged_at = now() where rule = '" + rule + "'");
  }
  int64_t mails() { return world.count("message where author_id = '" + kSystemUser.text() + "'"); }
};

}  // namespace

TEST_CASE("nothing is raised where nothing is wrong") {
  Fixture f;
  const auto id = f.message(2, 10 * kMinuteMs);
  f.due(f.message(4, 0), kMinuteMs);
  f.event("login_refused", 2);
  f.event("sent", 100);
  f.event("delivery_failed", 10);
  f.pass();
  f.pass();
  CHECK(f.open_rules() == "");
  CHECK(f.world.count("alert") == 0);
  CHECK(f.calls.empty());
}

TEST_CASE("each rule raises its alert, and clears it when what it is about is over") {
  Fixture f;
  f.settings.limits.anchor_kinds = {"witness"};
  f.settings.limits.anchor_overdue_ms = 0;
  f.start();
  const auto waiting = f.message(2, 241 * kMinuteMs), doubtful = f.message(10, 31 * kMinuteMs), late = f.message(4, 0);
  f.due(late, 31 * kMinuteMs);
  f.event("login_refused", 3);
  f.event("sent", 79);
  f.event("delivery_failed", 21);
  f.world.insert(1);
  auto sequencer = f.world.sequencer();
  sequencer.pass();
  f.sql("insert into audit.fault (id, level, what, at) values (gen_random_uuid(), 1, 'leaf', now())");
  f.sql(
      "insert into users (id, name, email, role) values ('00000000-0000-7000-8000-000000000001', 'A', 'a@x', 4); "
      "insert into day_key values ('2026-01-01', 'k', 'w'); "
      "insert into break_glass (id, user_id, sealed_by, reason, opened_at, until) values "
      "('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', '2026-01-01', 's', now(), "
      "now() + interval '1 hour')");
  f.pass();
  CHECK(f.open_rules() ==
        "anchor_overdue:witness=1 break_glass:00000000-0000-7000-8000-000000000002=1 failure_rate=21 in_doubt=1 "
        "integrity=1 log_in_burst=3 "
        "review_age=1 stuck=1");
  CHECK(f.world.metrics.value("signet_alerts_open", "rule=\"stuck\"") == 1);
  CHECK(f.value("select string_agg(action || ' ' || c, ', ') from (select action, count(*) c from audit.entry where "
                "action like 'alert%' group by 1) x") == "alert_raised 8");

  f.sql("update message set status = 1, submitted_at = null where id = '" + waiting +
        "'; update message set status = 5 where id = '" + doubtful +
        "'; delete from due where sender = 'tester'; update due set due_at = now() + interval '1 day'; update message "
        "set status = 5 where id = '" +
        late + "'; update break_glass set reviewed_by = null, reviewed_at = now()");
  f.pass(61 * kMinuteMs);  // the hour of failures and the ten minutes of log-ins are over
  CHECK(f.open_rules() == "anchor_overdue:witness=1 integrity=1");
  CHECK(f.world.metrics.value("signet_alerts_open", "rule=\"stuck\"") == 0);
  CHECK(f.value("select count(*) from audit.entry where action = 'alert_resolved'") == "6");
  f.settings.limits.anchor_overdue_ms = 60'000;
  f.start();
  f.sql("insert into audit.anchor select max(size), 'witness', 'x', 'ok' from audit.checkpoint");
  f.pass();
  CHECK(f.open_rules() == "integrity=1");
}

TEST_CASE("a message that is lost, and one that was accepted twice, are found whenever they came") {
  Fixture f;
  const auto lost = f.message(4, 0), twice = f.message(5, 0), resent = f.message(5, 0);
  for (const auto& id : {twice, resent})
    for (const char* no : {"1", "2"})
      f.sql("insert into attempt_result (message_id, attempt_no, outcome, finished_at) values ('" + id + "', " + no +
            ", 1, now())");
  f.sql("insert into decision values (gen_random_uuid(), '" + resent + "', 1, 'requeue', 'x', 'x', now())");
  f.pass();
  CHECK(f.open_rules() == "lost=1 repeated=1");
  CHECK(f.world.log.all().find(lost) != std::string::npos);
  CHECK(f.world.log.all().find(twice) != std::string::npos);
  CHECK(f.world.log.all().find(resent) == std::string::npos);
  // A daemon that starts anew does not take them for over before it has looked at every message.
  f.start();
  f.pass();
  CHECK(f.open_rules() == "lost=1 repeated=1");
  f.due(lost, 0);
  f.pass();
  CHECK(f.open_rules() == "repeated=1");
}

TEST_CASE("an alert is told at once, repeated until it is acknowledged, and then no more") {
  Fixture f;
  f.due(f.message(4, 0), 31 * kMinuteMs);
  f.pass();
  REQUIRE(f.calls.size() == 1);
  CHECK(f.mails() == 1);
  f.pass();
  CHECK(f.calls.size() == 1);
  f.pass(60 * kMinuteMs);
  CHECK(f.calls.size() == 2);
  CHECK(f.mails() == 2);
  CHECK(f.value("select notices from alert") == "2");
  f.acknowledge("stuck");
  f.pass(61 * kMinuteMs);
  f.pass(61 * kMinuteMs);
  CHECK(f.calls.size() == 2);
  CHECK(f.open_rules() == "stuck=3");  // our own mails, which nobody sends here
  // Over, and again: another alert.
  f.sql("delete from due; update message set status = 5");
  f.pass();
  CHECK(f.open_rules() == "");
  f.due(f.message(4, 0), 31 * kMinuteMs);
  f.pass();
  CHECK(f.calls.size() == 3);
  CHECK(f.world.count("alert") == 2);
}

TEST_CASE("a webhook is signed after Standard Webhooks, and says nothing about a patient") {
  Fixture f;
  f.event("login_refused", 3);
  f.pass();
  REQUIRE(f.calls.size() == 1);
  const HttpCall& call = f.calls[0];
  CHECK(call.url == "https://pager.example/x");
  std::map<std::string, std::string> headers(call.headers.begin(), call.headers.end());
  CHECK(headers["webhook-id"] == f.value("select id from alert_notice where receiver = 'pager'"));
  CHECK(headers["webhook-timestamp"] == std::to_string(f.clock.wall().us / 1'000'000));
  const std::string signed_text = headers["webhook-id"] + "." + headers["webhook-timestamp"] + "." + call.body;
  CHECK(headers["webhook-signature"] == "v1," + to_base64(view(hmac_sha256(*webhook_key(kSecret), signed_text))));
  const Json body = Json::parse(call.body);
  CHECK(body["type"] == "alert.raised");
  CHECK(body["data"]["rule"] == "log_in_burst");
  CHECK(body["data"]["count"] == 3);
}

TEST_CASE("a webhook that is not taken is tried again with the same id, later each time, and given up") {
  Fixture f;
  f.answer = HttpReply{500, {}, ""};
  f.event("login_refused", 3);
  f.pass();
  REQUIRE(f.calls.size() == 1);
  f.pass(4000);
  CHECK(f.calls.size() == 1);
  f.pass(1000);
  REQUIRE(f.calls.size() == 2);
  CHECK(f.calls[0].headers[0] == f.calls[1].headers[0]);
  for (int i = 0; i < 6; i++) f.pass(80'000 << i > 900'000 ? 900'000 : 80'000 << i);
  f.pass();
  CHECK(f.value("select tries || ' ' || failure from alert_notice where receiver = 'pager' order by id limit 1") ==
        "8 its webhook answered 500");
  CHECK(f.value("select due_at is null from alert_notice where receiver = 'pager' order by id limit 1") == "true");
  CHECK(f.open_rules().find("alert_undelivered:pager=1") != std::string::npos);
  // Whoever is told of that, it is not the one who does not hear.
  CHECK(f.value("select string_agg(distinct n.receiver, ',') from alert_notice n join alert a on a.id = n.alert_id "
                "where a.rule = 'alert_undelivered'") == "on-call");
  f.answer = HttpReply{410, {}, ""};
  f.event("delivery_failed", 30);
  f.pass();
  CHECK(f.value("select tries from alert_notice n join alert a on a.id = n.alert_id where a.rule = 'failure_rate' and "
                "receiver = 'pager' and due_at is null limit 1") == "1");
}

TEST_CASE("integrity goes to those whom its rule names, a mail that finds no route is named") {
  Fixture f;
  f.settings.integrity_receivers = {"on-call"};
  f.routes = Routes({});
  f.start();
  f.sql("insert into audit.fault (id, level, what, at) values (gen_random_uuid(), 1, 'leaf', now())");
  f.pass();
  CHECK(f.calls.empty());
  CHECK(f.value("select failure from alert_notice").find("route") != std::string::npos);
  f.pass();
  CHECK(f.open_rules() == "alert_undelivered:on-call=1 integrity=1");
  CHECK(f.calls.size() == 1);  // the pager hears of that
}

TEST_CASE("one daemon of several raises alerts, and another goes on when it ends") {
  Fixture f;
  Alerts other(shared_postgres().options(), f.settings, f.receivers, f.messages, f.clock, f.ids, f.world.log,
               f.world.metrics, [&](const HttpCall& call) {
                 f.calls.push_back(call);
                 return f.answer;
               });
  f.event("login_refused", 3);
  f.pass();
  other.pass();
  CHECK(f.calls.size() == 1);
  f.alerts.reset();
  f.clock.advance_ms(61 * kMinuteMs);
  f.event("login_refused", 3);
  for (int i = 0; i < 50 && f.calls.size() < 2; i++) {  // its session ends when the server has noticed
    f.clock.advance_ms(30'000);
    other.pass();
  }
  CHECK(f.calls.size() >= 2);
}
