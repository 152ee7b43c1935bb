#include "daemon/delivery/delivery.h"

#include <catch2/catch.hpp>

#include "tests/daemon/delivery/delivery_world.h"

using namespace signet;
using namespace signet::test;

TEST_CASE_METHOD(World, "I2 a message goes by permit, send and result, and only then its hint goes") {
  script.is_hanging = true;
  const Uuid id = offered();
  REQUIRE(comes([&] { return !script.sent.empty(); }));
  CHECK(at(id).starts.at(1).provider == "twilio-main");
  CHECK(is_hinted(id));
  script.hanging[0](outcome(OutcomeKind::accepted));
  REQUIRE(comes([&] { return status(id) == Status::sent && one->delivery->in_flight() == 0 && !is_hinted(id); }));
  REQUIRE(script.sent.size() == 1);
  CHECK(script.sent[0].body.reveal() == "hello");
  CHECK(script.sent[0].recipient.reveal() == "+61491570006");
  CHECK(script.sent[0].callback_url == "http://hooks/webhooks/twilio-main?m=" + id.text() + ".1");
  CHECK(script.sent[0].idempotency_key == id.text() + ".1.0");
}

TEST_CASE_METHOD(World, "a retryable attempt is followed by the next one, until the attempts are used up") {
  for (int i = 0; i < 3; i++) script.answers.push_back(outcome(OutcomeKind::retryable, "throttled"));
  const Uuid id = offered();
  REQUIRE(comes([&] { return status(id) == Status::failed; }));
  REQUIRE(at(id).results.size() == 3);
  CHECK(at(id).results.at(1).next_delay_ms.has_value());
  CHECK_FALSE(at(id).results.at(3).next_delay_ms.has_value());
  CHECK(at(id).results.at(3).failure_reason == "attempts_used_up");
  CHECK_FALSE(at(id).results.at(3).is_proven);
  CHECK(script.sent.size() == 3);
}

TEST_CASE_METHOD(World, "whom the provider knows as opted out, or as without a mailbox, gets nothing more") {
  for (const bool is_bounced : {false, true}) {
    INFO(is_bounced);
    store.suppressed.clear();
    Outcome refused = outcome(OutcomeKind::permanent, "scripted");
    (is_bounced ? refused.is_bounced : refused.is_opted_out) = true;
    script.answers.push_back(refused);
    const Uuid id = offered(Priority::normal, Kind::email);
    REQUIRE(comes([&] { return status(id) == (is_bounced ? Status::failed : Status::suppressed); }));
    CHECK(store.suppressed.contains(at(id).row.recipient_key));
    const auto& added = at(id).results.at(1).opt_out;
    REQUIRE(added);
    CHECK(added->row.reason == (is_bounced ? "bounced" : "opted_out"));
    CHECK(added->row.channel == DeliveryMethod::email);
    CHECK(added->entry.action == "suppression_added");
  }
}

TEST_CASE_METHOD(World, "I3 a hint that comes twice sends once") {
  const Uuid id = offered();
  const DueRow due = *at(id).due;
  REQUIRE(comes([&] { return status(id) == Status::sent && !is_hinted(id); }));
  one->queue.offer({{id, due.priority, due.lane, due.sender, due.due_at}}, [](auto) {});  // as after a failover
  REQUIRE(comes([&] { return metrics.value("signet_permits_total", "verdict=\"refused\"") == 1; }));
  CHECK(script.sent.size() == 1);
}

TEST_CASE_METHOD(World,
                 "what failed at one provider of a lane goes to the other one, which the permit's reason tells") {
  script.answers.push_back(outcome(OutcomeKind::retryable, "connect_refused"));
  const Uuid id = offered(Priority::normal, Kind::email);
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  CHECK(at(id).starts.at(1).provider == "relay");
  CHECK(at(id).starts.at(2).provider == "second");
  CHECK(at(id).starts.at(2).route_reason == "avoid:relay");
}

TEST_CASE_METHOD(World, "a due row that names a provider goes there") {
  const Uuid id = approve(Priority::normal, Kind::email);
  at(id).due->provider = "second";
  offer(id);
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
  CHECK(at(id).starts.at(1).provider == "second");
  CHECK(at(id).starts.at(1).route_reason == "pinned");
}

TEST_CASE_METHOD(World, "a message that was asked to be cancelled ends so, by a void, and is not sent") {
  const Uuid id = approve();
  at(id).row.is_cancel_requested = true;
  offer(id);
  REQUIRE(comes([&] { return status(id) == Status::cancelled; }));
  CHECK(script.sent.empty());
  CHECK(at(id).starts.at(1).is_void);
}

TEST_CASE_METHOD(World, "I10 nothing is sent once the message has expired or its window has closed") {
  const bool is_expiry = GENERATE(true, false);
  const Uuid id = approve(Priority::bulk);
  const WallTime limit{clock.wall().us + 100'000};
  if (is_expiry)
    at(id).row.expires_at = limit;
  else
    at(id).due->send_until = limit;
  SECTION("when it is claimed") {
    clock.advance_ms(200);
    offer(id);
  }
  SECTION("when its permit comes too late for it, though soon enough for a permit") {
    Fate slow;
    slow.reply_us = 150'000;
    fates.push_back(slow);
    offer(id);
  }
  if (is_expiry) {
    REQUIRE(comes([&] { return status(id) == Status::failed; }));
    CHECK(at(id).row.failure_reason == "expired");
    CHECK(script.sent.empty());
  } else {
    REQUIRE(comes([&] { return at(id).due->send_until != limit; }));
    CHECK(script.sent.empty());
    CHECK(at(id).due->due_at > limit);
  }
}

TEST_CASE_METHOD(World, "a changed seal, MAC, commitment or recipient key sends nothing and alarms") {
  const Uuid id = approve();
  auto& m = at(id);
  std::string* const parts[] = {&m.content.sealed, &m.approvals[0].approval_mac, &m.approvals[0].envelope_commit,
                                &m.row.recipient_key, &m.content.wrapped_key};
  std::string* const part = parts[GENERATE(0, 1, 2, 3, 4)];
  (*part)[part->size() / 2] ^= 1;
  offer(id);
  REQUIRE(comes([&] { return status(id) == Status::failed; }));
  CHECK(script.sent.empty());
  CHECK(at(id).row.failure_reason == "content_mismatch");
  CHECK(alarms("content_mismatch") == 1);
  CHECK(log.errors.size() == 1);
}

TEST_CASE_METHOD(World, "a message whose data key is gone stops with that reason, and holds nobody up") {
  const Uuid id = approve();
  at(id).content.wrapped_key.clear();
  offer(id);
  const Uuid other = offered();
  REQUIRE(comes([&] { return status(id) == Status::failed && status(other) == Status::sent; }));
  CHECK(at(id).row.failure_reason == "key_missing");
  CHECK(alarms("key_missing") == 1);
}

TEST_CASE_METHOD(World, "what can never be sent ends with its reason and one alarm, and holds nobody up") {
  const Uuid id = approve();
  const std::string reason = GENERATE("out_of_order", "provider_gone", "no_route");
  if (reason == "out_of_order") at(id).due->attempt_no = 2;
  if (reason == "provider_gone") at(id).due->provider = "of-last-year";
  if (reason == "no_route") {
    at(id).due->lane = "letter";
    at(id).row.kind = Kind::letter;
  }
  offer(id);
  const Uuid other = offered();
  REQUIRE(comes([&] { return status(id) == Status::failed && status(other) == Status::sent; }));
  CHECK(at(id).row.failure_reason == reason);
  CHECK_FALSE(at(id).row.is_proven);
  CHECK_FALSE(at(id).due);
  turns(200);
  CHECK(alarms(reason) == 1);
  CHECK(script.sent.size() == 1);
}

TEST_CASE_METHOD(World, "a due row in a lane that is gone moves to the one that takes its messages now") {
  const Uuid id = approve();
  at(id).due->lane = "sms-7";
  offer(id);
  REQUIRE(comes([&] { return at(id).due->lane == "sms"; }));
  offer(id);
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
}

TEST_CASE_METHOD(World, "a look ends what has to end and moves nothing else, claimed or not") {
  const Uuid expired = approve(), fine = approve(), gone = approve();
  at(expired).row.expires_at = WallTime{clock.wall().us - 1};
  at(gone).due->provider = "of-last-year";
  one->delivery->look({expired, fine, gone, ids.next()});
  REQUIRE(comes([&] { return status(expired) == Status::failed && status(gone) == Status::failed; }));
  CHECK(at(expired).row.failure_reason == "expired");
  CHECK(at(gone).row.failure_reason == "provider_gone");
  CHECK(one->delivery->in_flight() == 0);
  CHECK(status(fine) == Status::queued);
  CHECK(script.sent.empty());
}

TEST_CASE_METHOD(World, "what is paused waits, and goes once it is resumed") {
  const bool is_known_here = GENERATE(true, false);  // or only to the database yet
  store.pauses.priorities[2] = true;
  if (is_known_here) one->delivery->set_pauses(store.pauses);
  const Uuid id = offered(), urgent = offered(Priority::critical);
  REQUIRE(comes([&] { return status(urgent) == Status::sent; }));
  turns(100);
  CHECK(status(id) == Status::queued);
  CHECK(at(id).starts.empty());
  store.pauses = {};
  one->delivery->set_pauses({});
  REQUIRE(comes([&] { return status(id) == Status::sent; }));
}

TEST_CASE_METHOD(World, "I13 no more are permitted at once than may be in flight, nor claimed than the window holds") {
  settings.window = 64;
  settings.batch = 8;
  start(3);
  script.is_hanging = true;
  for (int i = 0; i < 200; i++) offered();
  REQUIRE(comes([&] { return script.sent.size() == 3; }));
  turns(100);
  int permitted = 0;
  for (const auto& [id, m] : store.messages) permitted += m.starts.contains(1);
  CHECK(permitted == 3);
  CHECK(one->delivery->in_flight() <= 64);
}

TEST_CASE_METHOD(World, "I12 a critical message passes by the bulk that has filled the window") {
  settings.window = 64;
  settings.batch = 8;
  start(4);
  script.is_hanging = true;
  for (int i = 0; i < 300; i++) offered(Priority::bulk);
  REQUIRE(comes([&] { return script.sent.size() == 3; }));  // a slot is kept
  turns(50);
  const Uuid urgent = offered(Priority::critical);
  REQUIRE(comes([&] { return at(urgent).starts.contains(1); }));
  CHECK(script.sent.back().message_id == urgent);
  CHECK(script.sent.size() == 4);
}

TEST_CASE_METHOD(World, "I12 a lane whose provider hangs leaves room to the others, though it came first") {
  settings.window = 64;
  settings.batch = 8;
  start(2);
  script.is_hanging = true;
  for (int i = 0; i < 300; i++) offered(Priority::normal);
  REQUIRE(comes([&] { return script.sent.size() == 2; }));
  turns(50);
  script.is_hanging = false;
  std::vector<Uuid> mails;
  for (int i = 0; i < 40; i++) mails.push_back(offered(Priority::normal, Kind::email));
  REQUIRE(comes([&] {
    return std::all_of(mails.begin(), mails.end(), [&](const Uuid& id) { return status(id) == Status::sent; });
  }));
}
