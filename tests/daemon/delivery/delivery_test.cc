#include "daemon/delivery/delivery.h"

#include <catch2/catch.hpp>

#include "message/envelope.h"
#include "message/policy.h"
#include "queue/memory_queue.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/fake_journal.h"
#include "tests/fakes/random.h"

using namespace signet;
using Failure = FakeJournal::Failure;

namespace {

Outcome outcome(OutcomeKind kind, const std::string& reason = "scripted") {
  Outcome out;
  out.kind = kind;
  out.reason = reason;
  if (kind == OutcomeKind::accepted) out.provider_reference = "ref";
  return out;
}

class ScriptedTransport : public Transport {
 public:
  explicit ScriptedTransport(Loop& loop, std::vector<std::string>& trace) : loop_(loop), trace_(trace) {}
  std::deque<Outcome> script;  // then accepted
  bool is_hanging = false;
  std::vector<Outbound> sent;
  bool has_room() const override { return true; }
  void send(const Outbound& message, Tick, Done done) override {
    trace_.push_back("send");
    sent.push_back(message);
    if (is_hanging) return;
    Outcome answer = outcome(OutcomeKind::accepted);
    if (!script.empty()) {
      answer = script.front();
      script.pop_front();
    }
    loop_.post([done = std::move(done), answer] { done(answer); });
  }

 private:
  Loop& loop_;
  std::vector<std::string>& trace_;
};

struct NullLog : Log {
  std::vector<std::string> errors;
  void write(LogLevel level, std::string_view text, std::initializer_list<LogField>) override {
    if (level == LogLevel::error) errors.emplace_back(text);
  }
};

struct Fixture {
  ManualClock clock;
  SeededRandom random{7};
  SystemRandom system_random;
  IdSource ids{clock, random};
  NullLog log;
  Metrics metrics;
  Loop loop;
  Keyring keys{Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), system_random};
  Routes routes{{Route{Kind::sms, {}, {}, {{"twilio-main", 100}}}}};
  MemoryQueueServer server;
  std::unique_ptr<Pace> pace;
  std::unique_ptr<MemoryQueue> queue;
  FakeJournal journal{loop, clock};
  ScriptedTransport* transport = nullptr;
  std::unique_ptr<Delivery> delivery;

  Fixture() { start(); }
  void start(int in_flight = 64) {
    QueueOptions options;
    options.owner = "one";
    queue = std::make_unique<MemoryQueue>(
        server, clock, [this](std::function<void()> action) { loop.post(std::move(action)); }, options);
    pace = std::make_unique<Pace>(std::map<std::string, ProviderLimits>{{"twilio-main", {}}}, BreakerSettings{},
                                  clock.tick());
    auto made = std::make_unique<ScriptedTransport>(loop, journal.trace);
    transport = made.get();
    std::map<std::string, DeliveryProvider> providers;
    providers["twilio-main"] = {nullptr, std::move(made)};
    DeliverySettings settings;
    settings.instance = "here";
    settings.callback_base = "http://hooks/webhooks/";
    settings.retry.base_ms = 1000;
    settings.retry.max_attempts = 3;
    delivery = std::make_unique<Delivery>(
        DeliveryParts{loop, clock, random, ids, log, metrics, *queue, journal, keys, routes}, settings,
        Admit({routes, *queue, clock, random, *pace, log, metrics}, {{"twilio-main", in_flight}}), Dispatcher(0, 1),
        std::move(providers));
  }
  ~Fixture() { delivery.reset(); }

  Uuid approve(const std::string& body = "hello") {
    const Uuid id = ids.next();
    const Envelope envelope{Kind::sms, "+61491570006", "", body, {}};
    const std::string salt(32, 's');
    const auto key = keys.make_data_key(id.text());
    Permit p;
    p.id = id;
    p.attempt_no = 1;
    p.lane = "sms";
    p.instance = "here";
    p.due_at = clock.wall();
    p.version = p.content_version = 1;
    p.head = {2, sha256(id.text())};
    p.kek_id = keys.kek_id();
    p.wrapped_key = key.wrapped;
    p.sealed = keys.seal_with(key.key, seal_binding("content", id, 1, "sealed"), pack(salt, envelope));
    const Digest commit = envelope_commit(salt, envelope);
    p.envelope_commit = view(commit);
    p.approval_mac = view(approval_mac(keys.mac_key(), id, 1, commit, kPolicyId));
    p.policy_id = kPolicyId;
    p.recipient_key = view(recipient_key(keys.index_key(), envelope.recipient));
    journal.messages[id].permit = p;
    return id;
  }
  void offer(const Uuid& id) {
    queue->offer({{id, Priority::normal, "sms", "tester", clock.wall()}}, [](auto) {});
  }
  // Turns the loop until `is_so`, letting time pass in small steps so that retries and polls come due.
  void until(const std::function<bool()>& is_so) {
    for (int i = 0; i < 2000 && !is_so(); i++) {
      clock.advance_ms(20);
      Timer turn(loop);
      turn.start(1, [this] { loop.stop(); });
      loop.run();
    }
    REQUIRE(is_so());
  }
  // The acknowledgement leaves a turn after the message does, and until then the queue folds an offer into the hint
  // that it still has.
  bool is_hinted(const Uuid& id) const {
    for (const auto& shard : server.snapshot())
      if (shard.own.contains(id)) return true;
    return false;
  }
  FakeJournal::Message& at(const Uuid& id) { return journal.messages.at(id); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a message goes by permit, send and result, in that order, and its hint goes last") {
  const Uuid id = approve("these words");
  offer(id);
  until([&] { return at(id).status == Status::sent && delivery->in_flight() == 0; });
  CHECK(journal.trace == std::vector<std::string>{"permit", "send", "result accepted"});
  REQUIRE(transport->sent.size() == 1);
  CHECK(transport->sent[0].body.reveal() == "these words");
  CHECK(transport->sent[0].recipient.reveal() == "+61491570006");
  CHECK(transport->sent[0].callback_url == "http://hooks/webhooks/twilio-main?m=" + id.text() + ".1");
  CHECK(transport->sent[0].idempotency_key == id.text() + ".1.0");
}

TEST_CASE_METHOD(Fixture, "a retryable attempt is followed by the next one, until the attempts are used up") {
  const Uuid id = approve();
  for (int i = 0; i < 3; i++) transport->script.push_back(outcome(OutcomeKind::retryable, "throttled"));
  offer(id);
  until([&] { return at(id).status == Status::failed; });
  REQUIRE(at(id).results.size() == 3);
  CHECK(at(id).results[0].next_delay_ms.has_value());
  CHECK_FALSE(at(id).results[2].next_delay_ms.has_value());
  CHECK(at(id).results[2].failure_reason == "attempts_used_up");
  CHECK_FALSE(at(id).results[2].is_proven);
  CHECK(transport->sent.size() == 3);
}

TEST_CASE_METHOD(Fixture, "a hint that comes twice sends once") {
  const Uuid id = approve();
  offer(id);
  until([&] { return at(id).status == Status::sent && !is_hinted(id); });
  offer(id);  // as after a failover to an older Redis
  until([&] { return metrics.value("signet_permits_total", "verdict=\"refused\"") == 1; });
  CHECK(transport->sent.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a lost COMMIT of a permit sends nothing, and the next attempt is granted") {
  const Uuid id = approve();
  const bool took_effect = GENERATE(true, false);
  journal.failures = {took_effect ? Failure::lost_after : Failure::lost_before};
  offer(id);
  until([&] { return at(id).status == Status::sent; });
  CHECK(transport->sent.size() == 1);
  CHECK(transport->sent[0].attempt_no == (took_effect ? 2 : 1));
  if (took_effect) {
    CHECK(at(id).results[0].outcome.kind == OutcomeKind::unsent);
    CHECK_FALSE(at(id).results[0].is_counted);
  }
}

TEST_CASE_METHOD(Fixture, "a lost COMMIT of a result is written again and counts once") {
  const Uuid id = approve();
  const bool took_effect = GENERATE(true, false);
  journal.failures = {Failure::none, took_effect ? Failure::lost_after : Failure::lost_before};
  offer(id);
  until([&] { return at(id).status == Status::sent && delivery->in_flight() == 0; });
  CHECK(at(id).results.size() == 1);
  CHECK(transport->sent.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a deadlock's victim is written again") {
  const Uuid id = approve();
  journal.failures = {Failure::deadlock, Failure::none, Failure::deadlock};
  offer(id);
  until([&] { return at(id).status == Status::sent && delivery->in_flight() == 0; });
  CHECK(transport->sent.size() == 1);
}

TEST_CASE_METHOD(Fixture, "one bad row among good ones does not hold the others up") {
  std::vector<Uuid> ids_made;
  for (int i = 0; i < 5; i++) ids_made.push_back(approve());
  // The batch of permits, then row by row: the third is the bad one.
  journal.failures = {Failure::bad_data, Failure::none, Failure::none, Failure::bad_data};
  for (const auto& id : ids_made) offer(id);
  until([&] {
    int sent = 0;
    for (const auto& id : ids_made) sent += at(id).status == Status::sent;
    return sent == 4;
  });
  CHECK(log.errors.size() == 1);
  CHECK(metrics.value("signet_alarm", "reason=\"row_refused\"") == 1);
}

TEST_CASE_METHOD(Fixture, "a result whose message moved meanwhile is recorded on the new head, and cancels a retry") {
  const Uuid id = approve();
  transport->script.push_back(outcome(OutcomeKind::retryable, "busy"));
  transport->is_hanging = true;
  offer(id);
  until([&] { return transport->sent.size() == 1; });
  at(id).permit.head = {3, sha256("cancel_requested")};
  at(id).is_cancel_requested = true;
  transport->is_hanging = false;
  delivery->settle_overdue({});  // nothing: it is in flight here
  delivery->hurry();             // ends the hanging send as in doubt
  until([&] { return !at(id).results.empty(); });
  CHECK(at(id).results[0].head.n == 3);
  CHECK(at(id).status == Status::in_doubt);
}

TEST_CASE_METHOD(Fixture, "a message that was asked to be cancelled ends so, by a void, and is not sent") {
  const Uuid id = approve();
  at(id).is_cancel_requested = true;
  offer(id);
  until([&] { return at(id).status == Status::cancelled; });
  CHECK(transport->sent.empty());
  REQUIRE(at(id).ends.size() == 1);
  CHECK(at(id).ends[0].attempt_no == 1);
}

TEST_CASE_METHOD(Fixture, "a changed seal, MAC, commitment or recipient key sends nothing and alarms") {
  const Uuid id = approve();
  auto& p = at(id).permit;
  std::string* const parts[] = {&p.sealed, &p.approval_mac, &p.envelope_commit, &p.recipient_key, &p.wrapped_key};
  std::string* const part = parts[GENERATE(0, 1, 2, 3, 4)];
  (*part)[part->size() / 2] ^= 1;
  offer(id);
  until([&] { return at(id).status == Status::failed; });
  CHECK(transport->sent.empty());
  CHECK(at(id).results[0].failure_reason == "content_mismatch");
  CHECK(metrics.value("signet_alarm", "reason=\"content_mismatch\"") == 1);
  CHECK(log.errors.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a permit that lapsed before its send is unsent, costs no attempt, and is asked for again") {
  const Uuid id = approve();
  journal.answer_age_us = 6000000;  // the answer took longer than a send may wait for its start
  offer(id);
  until([&] { return at(id).status == Status::sent; });
  REQUIRE(at(id).results.size() == 2);
  CHECK(at(id).results[0].outcome.kind == OutcomeKind::unsent);
  CHECK(at(id).results[0].outcome.reason == "permit_lapsed");
  CHECK_FALSE(at(id).results[0].is_counted);
  REQUIRE(transport->sent.size() == 1);
  CHECK(transport->sent[0].attempt_no == 2);
}

TEST_CASE_METHOD(Fixture, "a permit that nobody ended is recorded as in doubt, once") {
  const Uuid id = approve();
  at(id).is_permitted = true;
  at(id).permit.provider = "twilio-main";
  delivery->settle_overdue({id, id});
  until([&] { return at(id).status == Status::in_doubt; });
  CHECK(at(id).results.size() == 1);
  CHECK(at(id).results[0].failure_reason == "no_result");
  CHECK(transport->sent.empty());
}

TEST_CASE_METHOD(Fixture, "without PostgreSQL nothing is claimed; without Redis the table is asked") {
  const Uuid id = approve();
  journal.go(false);
  offer(id);
  for (int i = 0; i < 50; i++) until([] { return true; });
  CHECK(transport->sent.empty());
  journal.go(true);
  until([&] { return at(id).status == Status::sent; });
  server.set_up(false);
  const Uuid second = approve();
  until([&] { return at(second).status == Status::sent; });
}

TEST_CASE_METHOD(Fixture, "a stop ends with what is under way recorded and the rest given back") {
  transport->is_hanging = true;
  std::vector<Uuid> made;
  delivery.reset();
  start(2);
  transport->is_hanging = true;
  for (int i = 0; i < 10; i++) {
    made.push_back(approve());
    offer(made.back());
  }
  until([&] { return transport->sent.size() == 2; });
  bool is_stopped = false;
  delivery->stop(1, [&] { is_stopped = true; });
  until([&] { return is_stopped; });
  int in_doubt = 0, due = 0;
  for (const auto& id : made) {
    in_doubt += at(id).status == Status::in_doubt;
    due += at(id).is_due && !at(id).is_permitted;
  }
  CHECK(in_doubt == 2);
  CHECK(due == 8);
  CHECK(transport->sent.size() == 2);
}

TEST_CASE_METHOD(Fixture, "no more are permitted at once than may be in flight") {
  delivery.reset();
  start(3);
  transport->is_hanging = true;
  for (int i = 0; i < 20; i++) offer(approve());
  until([&] { return transport->sent.size() == 3; });
  for (int i = 0; i < 100; i++) until([] { return true; });
  int permitted = 0;
  for (const auto& [id, m] : journal.messages) permitted += m.is_permitted;
  CHECK(permitted == 3);
}
