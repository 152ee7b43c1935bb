// What operators do: pause and resume, look at queues and providers, requeue what failed, resolve what is in doubt.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/delivery/callbacks.h"
#include "daemon/evidence/message_check.h"
#include "store/evidence_rows.h"
#include "store/messages.h"
#include "store/pauses.h"
#include "store/provider_health.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Answer = World::Answer;

struct Operations : World {
  const Caller staff = user(Role::staff), reviewer = user(Role::reviewer), doctor = user(Role::doctor),
               operator_ = user(Role::admin);

  std::string dead(const std::string& reason = "unknown_recipient", const Json& changes = Json::object()) {
    const auto id = queued(staff, reviewer, changes);
    fail(id, reason);
    return id;
  }
  std::string doubtful() {
    const auto id = queued(staff, reviewer);
    doubt(id);
    return id;
  }
  Answer post(const std::string& path, const Json& body, const Caller& who) {
    return call("POST", path, who, body.dump());
  }
  Answer resolve(const std::string& id, const Json& body) {
    return post("/api/messages/" + id + "/resolve", body, reviewer);
  }
  Answer requeue(const Json& body) { return post("/api/dead-letters/requeue", body, operator_); }
  std::string callback_for(const std::string& id_or_dash, const std::string& kind) {
    REQUIRE(callback("test", id_or_dash + " 1 ref-1 " + kind + " event-" + kind).status == 204);
    return sql("select id::text from callback order by id desc limit 1").text(0, 0);
  }
  // What verification finds wrong with the message's decisions and confirmations.
  std::vector<std::string> faults_of(const std::string& id) {
    auto session = postgres.session("postgres");
    const auto newest = newest_event_id(*session);
    auto found = read_evidence(*session, {*parse_uuid(id)}, Spread::single, Uuid{}, *newest);
    REQUIRE(found.ok());
    auto keys = read_public_keys(*session);
    REQUIRE(keys.ok());
    std::vector<std::string> out;
    for (const auto& one : check_message(found->front(), keyring, SignerKeys(std::move(*keys))).findings)
      if (one.what.starts_with("decision") || one.what.starts_with("confirmation") ||
          one.what.starts_with("callback") || one.what == "chain" || one.what == "head")
        out.push_back(one.what);
    return out;
  }
};

const std::vector<std::string> kNone;

TEST_CASE("a priority is paused for every daemon until it is resumed, and either twice is the same as once") {
  Operations world;
  const auto pause = [&] { return world.post("/api/queues/bulk/pause", {{"reason", "incident"}}, world.operator_); };
  const auto first = pause();
  CHECK(first.status == 200);
  CHECK(first.body["priority"] == "bulk");
  CHECK(first.body["pause"]["reason"] == "incident");
  CHECK(first.body["pause"]["by"] == world.operator_.id.text());
  CHECK(pause().body == first.body);
  CHECK(world.count("audit.entry where action = 'paused'") == 1);
  const Json event = world.last_event("paused");
  CHECK(event["detail"] == Json{{"scope", "priority"}, {"target", "bulk"}});
  CHECK(event["reasonCode"] == "incident");
  auto session = world.postgres.session();
  Pauses wanted;
  wanted.priorities[3] = true;
  CHECK(read_pauses(*session).value() == wanted);
  for (int i = 0; i < 2; ++i)
    CHECK(world.call("POST", "/api/queues/bulk/resume", world.operator_).body["pause"].is_null());
  CHECK(world.count("audit.entry where action = 'resumed'") == 1);
  CHECK(read_pauses(*session).value() == Pauses{});
}

TEST_CASE("queues show what is due and scheduled by priority and lane, and what is paused") {
  Operations world;
  (void)world.queued(world.staff, world.reviewer, {{"priority", "high"}});
  (void)world.queued(world.staff, world.reviewer, {{"priority", "high"}, {"scheduledFor", "2099-01-01T00:00:00Z"}});
  world.sql("update due set due_at = now() - interval '5 seconds' where due_at <= now() + interval '1 day'");
  (void)world.post("/api/queues/normal/pause", {{"reason", "maintenance"}}, world.operator_);
  const Json body = world.call("GET", "/api/queues", world.operator_).body;
  REQUIRE(body["priorities"].size() == 4);
  CHECK(body["priorities"][1]["priority"] == "high");
  CHECK(body["priorities"][1]["due"] == 1);
  CHECK(body["priorities"][1]["scheduled"] == 1);
  CHECK(body["priorities"][1]["oldestDueMs"] >= 5000);
  CHECK(body["priorities"][1]["pause"].is_null());
  CHECK(body["priorities"][2]["pause"]["reason"] == "maintenance");
  CHECK(body["priorities"][2]["due"] == 0);
  REQUIRE(body["lanes"].size() == 1);
  CHECK(body["lanes"][0]["lane"] == "sms");
  CHECK(body["lanes"][0]["due"] == 1);
}

TEST_CASE("providers show what each daemon sees of them; one that the configuration lost can still be resumed") {
  Operations world;
  auto session = world.postgres.session();
  ProviderHealth health;
  health.provider = "test";
  health.breaker = BreakerState::open;
  health.reason = "timeout";
  health.since = world.clock.wall();
  health.attempts = 40;
  health.errors = 30;
  health.in_use = 3;
  health.in_flight = 64;
  REQUIRE(write_health(*session, "signetd-1", {health}, 600'000).ok());
  REQUIRE(write_health(*session, "signetd-1", {health}, 600'000).ok());  // instead of what it wrote before
  REQUIRE(world.post("/api/providers/test/pause", {{"reason", "provider_fault"}}, world.operator_).status == 200);
  const Json items = world.call("GET", "/api/providers", world.operator_).body["items"];
  REQUIRE(items.size() == 1);
  CHECK(items[0]["name"] == "test");
  CHECK(items[0]["pause"]["reason"] == "provider_fault");
  REQUIRE(items[0]["daemons"].size() == 1);
  CHECK(items[0]["daemons"][0]["breaker"] == "open");
  CHECK(items[0]["daemons"][0]["errors"] == 30);
  CHECK(items[0]["daemons"][0]["pausedUntil"].is_null());
  world.services.providers.clear();
  CHECK(world.post("/api/providers/test/pause", {{"reason", "test"}}, world.operator_).status == 404);
  CHECK(world.call("POST", "/api/providers/test/resume", world.operator_).status == 200);
  CHECK(world.call("POST", "/api/providers/test/resume", world.operator_).status == 404);
}

TEST_CASE("providers show how they tell of a message, and the longest text that they take") {
  class Limited : public TestProvider {
    CallbackWay callback_way() const override { return CallbackWay::message; }
    size_t text_max() const override { return 1600; }
  };
  Operations world;
  world.services.providers["limited"] = std::make_shared<Limited>();
  const Json items = world.call("GET", "/api/providers", world.operator_).body["items"];
  REQUIRE(items.size() == 2);
  CHECK(items[0]["callbackWay"] == "message");
  CHECK(items[0]["textMax"] == 1600);
  CHECK(items[1]["name"] == "test");
  CHECK(items[1]["callbackWay"] == "none");
  CHECK(items[1]["textMax"].is_null());
}

TEST_CASE("a daemon that writes no more is forgotten") {
  Operations world;
  auto session = world.postgres.session();
  ProviderHealth health;
  health.provider = "test";
  health.since = world.clock.wall();
  REQUIRE(write_health(*session, "signetd-1", {health}, 600'000).ok());
  REQUIRE(write_health(*session, "signetd-2", {health}, 600'000).ok());
  CHECK(world.count("provider_health") == 2);
  world.sql("update provider_health set seen_at = now() - interval '1 hour' where instance = 'signetd-1'");
  REQUIRE(write_health(*session, "signetd-2", {health}, 600'000).ok());
  CHECK(world.sql("select instance from provider_health").text(0, 0) == "signetd-2");
  CHECK(world.count("provider_health") == 1);
}

TEST_CASE("dead letters are listed by why, where and when they failed") {
  Operations world;
  const auto unknown = world.dead(), rejected = world.dead("rejected", {{"priority", "bulk"}});
  (void)world.queued(world.staff, world.reviewer);
  const auto listed = [&](const std::string& query) {
    std::vector<std::string> ids;
    const auto answer = world.call("GET", "/api/dead-letters" + query, world.operator_);
    CHECK(answer.status == 200);
    for (const auto& item : answer.body["items"]) ids.push_back(item["id"]);
    return ids;
  };
  CHECK(listed("") == std::vector<std::string>{rejected, unknown});
  CHECK(listed("?reason=rejected") == std::vector<std::string>{rejected});
  CHECK(listed("?priority=bulk&kind=sms&provider=test") == std::vector<std::string>{rejected});
  CHECK(listed("?provider=other").empty());
  CHECK(listed("?kind=email").empty());
  CHECK(listed("?limit=1") == std::vector<std::string>{rejected});
  CHECK(listed("?limit=1&cursor=" + rejected) == std::vector<std::string>{unknown});
  CHECK(listed("?from=2099-01-01T00:00:00Z").empty());
  CHECK(listed("?to=2099-01-01T00:00:00Z").size() == 2);
}

TEST_CASE("requeueing keeps the lineage: attempts go on, a new key, a decision that the log names") {
  Operations world;
  const auto id = world.dead();
  world.sql("update message set cancel_requested = true, is_proven = false");
  world.offered.clear();
  const auto answer = world.call("POST", "/api/messages/" + id + "/requeue", world.operator_);
  CHECK(answer.status == 200);
  CHECK(answer.body == Json{{"id", id}, {"status", "queued"}, {"attemptNo", 2}});
  const auto row =
      world.sql("select status, requeues, attempts, failure_reason is null, cancel_requested, is_proven from message");
  CHECK(row.number(0, 0) == static_cast<int>(Status::queued));
  CHECK(row.number(0, 1) == 1);
  CHECK(row.number(0, 2) == 0);
  CHECK(row.flag(0, 3));
  CHECK_FALSE(row.flag(0, 4));
  CHECK(row.flag(0, 5));
  CHECK(world.sql("select attempt_no from due").number(0, 0) == 2);
  const auto decision = world.sql("select attempt_no, decision, actor, reason from decision");
  REQUIRE(decision.size() == 1);
  CHECK(decision.number(0, 0) == 1);
  CHECK(decision.text(0, 1) == "requeue");
  CHECK(decision.text(0, 2) == world.operator_.id.text());
  CHECK(decision.text(0, 3) == "operator");
  REQUIRE(world.offered.size() == 1);
  CHECK(world.offered[0].id.text() == id);
  world.check_chain(id);
  CHECK(world.faults_of(id) == kNone);
  // A row without its event, and an event without its row, are found.
  world.sql("insert into decision values (gen_random_uuid(), '" + id + "', 1, 'requeue', 'x', 'y', now())");
  CHECK(world.faults_of(id) == std::vector<std::string>{"decision_unnamed"});
}

TEST_CASE("a bulk requeue does what its dry run counted, and refuses when that has changed") {
  Operations world;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(world.dead(i < 3 ? "rejected" : "unknown_recipient"));
  const auto expired = world.dead("rejected");
  world.sql("update message set expires_at = '2026-11-01' where id = '" + expired + "'");
  const Json filter{{"reason", "rejected"}};
  Json dry = filter;
  dry["dryRun"] = true;
  const auto found = world.requeue(dry);
  CHECK(found.status == 200);
  CHECK(found.body["count"] == 3);
  CHECK(found.body["byReason"] == Json{{"rejected", 3}});
  CHECK(found.body["refused"] == Json{{"expired", 1}, {"suppressed", 0}, {"erased", 0}});
  CHECK(world.count("due") == 0);
  (void)world.dead("rejected");  // failed after the dry run: none of its business
  Json wanted = filter;
  wanted["dryRun"] = false;
  wanted["asOf"] = found.body["asOf"];
  wanted["count"] = 2;
  const auto refused = world.requeue(wanted);
  CHECK(refused.status == 409);
  CHECK(refused.body["count"] == 3);
  wanted["count"] = 3;
  const auto asked = world.requeue(wanted);
  REQUIRE(asked.status == 202);
  CHECK(world.count("due") == 0);
  while (world.tasks.pass()) {
  }
  const std::string task = asked.body["id"];
  CHECK(world.sql("select result from task where id = '" + task + "'").text(0, 0) == R"({"left":0,"requeued":3})");
  for (int i = 0; i < 5; ++i) {
    INFO(i);
    CHECK(world.status_of(ids[static_cast<size_t>(i)]) == (i < 3 ? "queued" : "failed"));
    if (i >= 3) continue;
    CHECK(world.actions(ids[static_cast<size_t>(i)]).back() == "requeue");
    world.check_chain(ids[static_cast<size_t>(i)]);
    CHECK(world.faults_of(ids[static_cast<size_t>(i)]) == kNone);
  }
  CHECK(world.status_of(expired) == "failed");
  CHECK(world.last_event("requeue")["actor"]["id"] == world.operator_.id.text());
  CHECK(world.count("decision") == 3);
}

TEST_CASE("a bulk requeue leaves what somebody else holds, and what the database refuses, and goes on") {
  Operations world;
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(world.dead());
  const auto found = world.requeue({{"dryRun", true}});
  // One row is held, and one cannot be requeued once more.
  auto holder = world.postgres.session();
  PgTransaction held(*holder);
  REQUIRE(lock_message(held, *parse_uuid(ids[1])).ok());
  world.sql("update message set requeues = 32767 where id = '" + ids[2] + "'");
  const auto asked = world.requeue({{"dryRun", false}, {"asOf", found.body["asOf"]}, {"count", found.body["count"]}});
  REQUIRE(asked.status == 202);
  while (world.tasks.pass()) {
  }
  CHECK(world.status_of(ids[0]) == "queued");
  CHECK(world.status_of(ids[1]) == "failed");
  CHECK(world.status_of(ids[2]) == "failed");
  CHECK(world.status_of(ids[3]) == "queued");
  const std::string task = asked.body["id"];
  CHECK(world.sql("select result from task where id = '" + task + "'").text(0, 0) == R"({"left":2,"requeued":2})");
}

TEST_CASE("one in doubt is sent again by a person's decision, whose words are sealed") {
  Operations world;
  const auto id = world.doubtful();
  const auto answer = world.resolve(id, {{"decision", "resend"}, {"reason", "the ward says it never came"}});
  INFO(answer.raw.body);
  CHECK(answer.status == 200);
  CHECK(answer.body["status"] == "queued");
  CHECK(world.sql("select attempt_no from due").number(0, 0) == 2);
  CHECK(world.sql("select requeues from message").number(0, 0) == 0);
  CHECK(world.sql("select decision from decision").text(0, 0) == "resend");
  CHECK(world.count("decision where reason = 'operator'") == 1);
  const Json event = world.last_event("resolve");
  CHECK(event["reasonCode"] == "operator");
  CHECK(event.dump().find("ward") == std::string::npos);
  CHECK(event["detail"]["noteCommit"].is_string());
  CHECK(world.count("audit.note") == 1);
  CHECK(world.sql("select encode(sealed, 'escape') from audit.note").text(0, 0).find("ward") == std::string::npos);
  world.check_chain(id);
  CHECK(world.faults_of(id) == kNone);
  // Its reader, who may read the content, sees why.
  const auto log = world.call("GET", "/api/audit-logs?action=resolve", world.reviewer);
  REQUIRE(log.body["items"].size() == 1);
  CHECK(log.body["items"][0]["note"] == "the ward says it never came");
}

TEST_CASE("I5 what its provider settles by itself no person sends again") {
  Operations world;
  const auto id = world.doubtful();
  const std::string provider = world.sql("select provider from message").text(0, 0);
  const Json resend{{"decision", "resend"}, {"reason", "the ward says it never came"}};
  auto& rules = world.services.doubt_rules[provider];
  const auto refused = [&] {
    const auto answer = world.resolve(id, resend);
    return answer.status == 409 && answer.raw.body.find("requeue") != std::string::npos;
  };
  rules.provider_class = DoubtClass::queryable;
  CHECK(refused());
  world.sql("update message set last_attempt_at = '" + rfc3339(world.clock.wall()) + "'");
  rules = {DoubtClass::idempotent, 60'000};
  CHECK(refused());
  CHECK(world.status_of(id) == "in_doubt");
  CHECK(world.count("decision") == 0);
  CHECK(world.count("due") == 0);
  world.clock.advance_ms(60'000);  // the provider has forgotten the key: now it counts as blind
  CHECK(world.resolve(id, resend).status == 200);
}

TEST_CASE("without the provider's word a resolution is not proven") {
  Operations world;
  const auto given_up = world.doubtful(), said = world.doubtful();
  CHECK(world.resolve(given_up, {{"decision", "fail"}, {"reason", "x"}}).body["proven"] == false);
  CHECK(world.status_of(given_up) == "failed");
  const auto answer =
      world.resolve(said, {{"decision", "delivered"}, {"reason", "x"}, {"evidence", {{"providerReference", "SM12"}}}});
  CHECK(answer.status == 200);
  CHECK(answer.body["proven"] == false);
  CHECK(world.status_of(said) == "delivered");
  CHECK(world.last_event("resolve")["detail"]["providerReference"] == "SM12");
  CHECK(world.count("message where is_proven") == 0);
  for (const auto& id : {given_up, said}) {
    world.check_chain(id);
    CHECK(world.faults_of(id) == kNone);
    CHECK(world.resolve(id, {{"decision", "fail"}, {"reason", "x"}}).status == 409);
  }
  // A receipt that comes after all proves it.
  Metrics metrics;
  const auto store = make_pg_engine_store(world.postgres.options(), world.clock);
  Callbacks callbacks(*store, world.ids, world.log, metrics, "signetd-1");
  (void)world.callback_for(given_up, "delivered");
  (void)callbacks.apply();
  CHECK(world.status_of(given_up) == "delivered");
}

TEST_CASE("a callback in the ledger proves what a person decides, once") {
  Operations world;
  const auto id = world.doubtful(), other = world.doubtful();
  const auto orphan = world.callback_for("-", "delivered");
  const Json wanted{{"decision", "delivered"}, {"reason", "x"}, {"evidence", {{"callbackId", orphan}}}};
  const auto answer = world.resolve(id, wanted);
  INFO(answer.raw.body);
  CHECK(answer.status == 200);
  CHECK(answer.body["proven"] == true);
  CHECK(world.status_of(id) == "delivered");
  CHECK(world.count("confirmation where took_effect") == 1);
  CHECK(world.count("callback_due") == 0);
  world.check_chain(id);
  CHECK(world.faults_of(id) == kNone);
  CHECK(world.resolve(other, wanted).status == 400);  // it says that already of another
  const auto of_other = world.callback_for(id, "failed");
  CHECK(
      world.resolve(other, {{"decision", "fail"}, {"reason", "x"}, {"evidence", {{"callbackId", of_other}}}}).status ==
      400);
  const auto failed = world.callback_for(other, "bounced");
  CHECK(world.resolve(other, {{"decision", "delivered"}, {"reason", "x"}, {"evidence", {{"callbackId", failed}}}})
            .status == 400);
  const auto proven =
      world.resolve(other, {{"decision", "fail"}, {"reason", "x"}, {"evidence", {{"callbackId", failed}}}});
  CHECK(proven.status == 200);
  CHECK(proven.body["proven"] == true);
  CHECK(world.sql("select failure_reason from message where id = '" + other + "'").text(0, 0) == "bounced");
  CHECK(world.faults_of(other) == kNone);
}

TEST_CASE("many are cancelled at once; what runs, what has left and what another holds is told apart") {
  Operations world;
  const auto draft = world.draft(world.staff), queued = world.queued(world.staff, world.reviewer),
             running = world.queued(world.staff, world.reviewer), gone = world.doubtful(),
             held = world.draft(world.staff);
  world.sql("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, permitted_at) values ('" +
            running + "', 1, 1, gen_random_uuid(), 'signetd-1', now())");
  auto holder = world.postgres.session();
  PgTransaction tx(*holder);
  REQUIRE(lock_message(tx, *parse_uuid(held)).ok());
  const std::string stranger = "0190a000-0000-7000-8000-000000000001";
  const auto answer =
      world.post("/api/messages/cancel", {{"ids", {held, draft, queued, running, gone, stranger}}}, world.staff);
  CHECK(answer.status == 200);
  std::map<std::string, std::string> results;
  for (const auto& item : answer.body["items"]) results[item["id"]] = item["result"];
  CHECK(results == std::map<std::string, std::string>{{draft, "cancelled"},
                                                      {queued, "cancelled"},
                                                      {running, "being_sent"},
                                                      {gone, "too_late"},
                                                      {held, "busy"},
                                                      {stranger, "unknown"}});
  CHECK(world.status_of(queued) == "cancelled");
  CHECK(world.status_of(running) == "queued");
  CHECK(world.count("message where cancel_requested") == 1);
  CHECK(world.status_of(held) == "pending");
  for (const auto& id : {draft, queued, running, gone}) world.check_chain(id);
}

}  // namespace
}  // namespace signet::api
