// Every change of message/lifecycle.h writes its one event, chained: by a person here and in records_test.cc, by a
// decision or receipt here, by an attempt's result here as far as the event goes.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/delivery/callbacks.h"
#include "daemon/delivery/events.h"
#include "message/lifecycle.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<nlohmann::json>;

enum class By { person, result, receipt, decision };

By driver_of(Step step) {
  switch (step) {
    case Step::submit:
    case Step::approve:
    case Step::file:
    case Step::reject:
    case Step::edit:
    case Step::cancel:
      return By::person;
    case Step::accepted:
    case Step::retry:
    case Step::fail:
    case Step::doubt:
    case Step::suppress:
    case Step::expire:
      return By::result;
    case Step::confirm_sent:
    case Step::confirm_delivered:
    case Step::confirm_failed:
    case Step::bounce:
      return By::receipt;
    case Step::resend:
      return By::decision;
  }
  return By::decision;
}

void put_at(World& world, const std::string& id, const Change& change) {
  world.sql("alter table message disable trigger message_status");
  world.sql("update message set status = " + std::to_string(static_cast<int>(change.from)) +
            (change.step == Step::bounce ? ", kind = 2" : "") + ", is_proven = false where id = '" + id + "'");
  world.sql("alter table message enable trigger message_status");
}

// The newest event of the message: one more than before, chained, with the status that the table says.
void check_last(World& world, const std::string& id, const Change& change, const std::string& action) {
  INFO(name(change.from) << " " << name(change.step) << " -> " << name(change.to));
  world.check_chain(id);
  const auto events = world.events(id);
  Json last;
  for (const auto& event : events)
    if (!event["object"]["n"].is_null()) last = event;
  CHECK(last["action"] == action);
  CHECK(last["status"] == name(change.to));
  CHECK(world.status_of(id) == name(change.to));
}

TEST_CASE("each change by a person writes its event and no other") {
  World world;
  const auto author = world.user(Role::doctor), reviewer = world.user(Role::reviewer);
  for (const auto& change : all_changes()) {
    if (driver_of(change.step) != By::person) continue;
    INFO(name(change.from) << " " << name(change.step));
    const bool is_filed = change.step == Step::file;
    const Json nothing_sent{{"deliveryMethod", "none"}, {"recipientPhone", nullptr}};
    std::string id = change.from == Status::queued ? world.queued(author, reviewer)
                                                   : world.draft(author, is_filed ? nothing_sent : Json::object());
    if (change.from != Status::queued) put_at(world, id, change);
    const size_t before = world.events(id).size();
    BasicAnswer<Json> answer;
    std::string action;
    size_t count = 1;
    switch (change.step) {
      case Step::submit:
        answer = world.submit(author, id);
        action = "submitted_for_review";
        break;
      case Step::approve:
        answer = change.from == Status::pending_review ? world.review(reviewer, id) : world.send_directly(author, id);
        action = "queued";
        count = 2;  // `approved` is passed through: reviewed, then queued
        break;
      case Step::file:
        answer = change.from == Status::pending_review ? world.review(reviewer, id) : world.send_directly(author, id);
        action = "reviewed";
        break;
      case Step::reject:
        answer = world.review(reviewer, id, {{"decision", "rejected"}, {"reviewNotes", "no"}});
        action = "reviewed";
        break;
      case Step::edit:
        answer = world.call("PATCH", "/api/messages/" + id, author, R"({"contentDraft":"x"})", world.if_match(id));
        action = "draft_edited";
        break;
      default:
        answer = world.call("POST", "/api/messages/" + id + "/cancel", author);
        action = "cancelled";
    }
    INFO(answer.raw.body);
    CHECK(answer.status == 200);
    CHECK(world.events(id).size() == before + count);
    check_last(world, id, change, action);
  }
}

TEST_CASE("each change by a decision writes its event and no other") {
  World world;
  const auto author = world.user(Role::staff), reviewer = world.user(Role::reviewer), admin = world.user(Role::admin);
  int count = 0;
  for (const auto& change : all_changes()) {
    if (driver_of(change.step) != By::decision) continue;
    const auto id = world.queued(author, reviewer);
    const bool is_doubt = change.from == Status::in_doubt;
    if (is_doubt)
      world.doubt(id);
    else
      world.fail(id);
    const size_t before = world.events(id).size();
    const auto answer = is_doubt ? world.call("POST", "/api/messages/" + id + "/resolve", reviewer,
                                              R"({"decision":"resend","reason":"x"})")
                                 : world.call("POST", "/api/messages/" + id + "/requeue", admin);
    INFO(answer.raw.body);
    CHECK(answer.status == 200);
    CHECK(world.events(id).size() == before + 1);
    check_last(world, id, change, is_doubt ? "resolve" : "requeue");
    ++count;
  }
  CHECK(count == 2);
}

TEST_CASE("each change by a receipt writes its event and no other") {
  World world;
  Metrics metrics;
  const auto author = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto store = make_pg_engine_store(world.postgres.options(), world.clock);
  Callbacks callbacks(*store, world.ids, world.log, metrics, "signetd-1");
  int n = 0;
  for (const auto& change : all_changes()) {
    // From `queued` the attempt's own result says that it was sent.
    if (driver_of(change.step) != By::receipt) continue;
    if (change.step == Step::confirm_sent && change.from == Status::queued) continue;
    const auto id = world.queued(author, reviewer);
    put_at(world, id, change);
    const size_t before = world.events(id).size();
    const char* word = change.step == Step::confirm_sent        ? "sent"
                       : change.step == Step::confirm_delivered ? "delivered"
                       : change.step == Step::bounce            ? "bounced"
                                                                : "failed";
    REQUIRE(world.callback("test", id + " 0 ref " + word + " e-" + std::to_string(++n)).status == 204);
    world.sql("update callback_due set due_at = now() - interval '1 second'");
    (void)callbacks.apply();
    INFO(name(change.from) << " " << name(change.step));
    CHECK(world.events(id).size() == before + 1);
    check_last(world, id, change,
               change.to == Status::delivered ? "delivery_confirmed"
               : change.to == Status::sent    ? "sent"
                                              : "delivery_failed");
  }
  CHECK(n > 8);
}

TEST_CASE("each change by an attempt's result has its event: action, status, place in the chain") {
  World world;
  DeliveryEvents events(world.clock, world.ids, "signetd-1");
  int count = 0;
  for (const auto& change : all_changes()) {
    if (driver_of(change.step) != By::result) continue;
    ++count;
    Permit permit;
    permit.id = world.ids.next();
    permit.attempt_no = 1;
    permit.provider = "test";
    Outcome outcome;
    outcome.kind = change.step == Step::accepted ? OutcomeKind::accepted
                   : change.step == Step::retry  ? OutcomeKind::retryable
                   : change.step == Step::doubt  ? OutcomeKind::in_doubt
                                                 : OutcomeKind::permanent;
    signet::Decision decision;
    decision.step = change.step;
    const Head head{7, sha256("before")};
    const Entry entry =
        events.of_result(permit, outcome, decision, change.to, head, world.clock.wall(), world.clock.wall());
    const Json event = Json::parse(entry.canon);
    INFO(entry.canon);
    const std::map<Step, std::string> actions{{Step::accepted, "sent"},        {Step::retry, "delivery_failed"},
                                              {Step::fail, "delivery_failed"}, {Step::doubt, "delivery_in_doubt"},
                                              {Step::suppress, "suppressed"},  {Step::expire, "expired"}};
    CHECK(event["action"] == actions.at(change.step));
    CHECK(event["status"] == name(change.to));
    CHECK(event["object"]["n"] == 8);
    CHECK(entry.leaf == leaf_hash(entry.canon));
    CHECK(entry.status == static_cast<int>(change.to));
  }
  CHECK(count == 8);
}

}  // namespace
}  // namespace signet::api
