// Delivery loops over the queue and the store in memory, a clock that tests advance, and providers by script.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/delivery/delivery.h"
#include "message/envelope.h"
#include "message/policy.h"
#include "queue/memory_queue.h"
#include "store/memory_store.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"
#include "tests/fakes/spool_in_memory.h"

namespace signet::test {

inline Outcome outcome(OutcomeKind kind, const std::string& reason = "scripted") {
  Outcome out;
  out.kind = kind;
  out.reason = reason;
  if (kind == OutcomeKind::accepted) out.provider_reference = "ref";
  return out;
}

struct Script {                 // of all providers and loops
  std::deque<Outcome> answers;  // then accepted
  bool is_hanging = false;
  std::vector<Outbound> sent;
  std::vector<std::function<void(Outcome)>> hanging;
};

class ScriptedTransport : public Transport {
 public:
  ScriptedTransport(Loop& loop, Script& script) : loop_(loop), script_(script) {}
  bool has_room() const override { return true; }
  void send(const Outbound& message, Tick, Done done) override {
    script_.sent.push_back(message);
    if (script_.is_hanging) return script_.hanging.push_back(std::move(done));
    Outcome answer = outcome(OutcomeKind::accepted);
    if (!script_.answers.empty()) {
      answer = script_.answers.front();
      script_.answers.pop_front();
    }
    loop_.post([done = std::move(done), answer] { done(answer); });
  }

 private:
  Loop& loop_;
  Script& script_;
};

struct EchoingProvider : Provider {
  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind) const override { return true; }
  bool has_echo() const override { return true; }
  bool has_receipts() const override { return true; }
  bool wants_pdf(Kind kind) const override { return kind == Kind::letter; }
};

struct ErrorLog : Log {
  std::vector<std::string> errors;
  void write(LogLevel level, std::string_view text, std::initializer_list<LogField>) override {
    if (level == LogLevel::error) errors.emplace_back(text);
  }
};

struct World;

struct Side {  // one loop with its connections
  Side(World& world_of, const std::string& name, int in_flight, DeliverySettings settings);
  ~Side();
  World& world;
  Loop loop;
  MemoryQueue queue;
  MemoryJournal journal;
  std::unique_ptr<Spool> spool;
  std::unique_ptr<Delivery> delivery;
};

struct World {
  using Fate = MemoryStore::Fate;
  ManualClock clock;
  SeededRandom random{7};
  SystemRandom system_random;
  IdSource ids{clock, random};
  ErrorLog log;
  Metrics metrics;
  Keyring keys{Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), system_random};
  Routes routes{
      {Route{Kind::sms, {}, {}, {{"twilio-main", 100}}}, Route{Kind::email, {}, {}, {{"relay", 100}, {"second", 0}}}}};
  std::unique_ptr<QuietHours> quiet = [] {
    QuietSettings settings;
    settings.default_zones = {"UTC"};
    settings.applies_to[3] = true;
    return QuietHours::make(settings).value();
  }();
  DuePlan plan{routes, *quiet};
  Pace pace{{{"twilio-main", {}}, {"relay", {}}, {"second", {}}}, BreakerSettings{}, clock.tick()};
  MemoryQueueServer server;
  std::multimap<int64_t, std::function<void()>> later;  // by tick, in microseconds
  MemoryStore store{clock, [this](int64_t us, std::function<void()> action) {
                      if (us <= 0) return action();
                      later.emplace(clock.tick().us + us, std::move(action));
                    }};
  std::deque<Fate> fates;  // of the next writes; then they are answered at once
  Script script;
  DeliverySettings settings;
  std::string spooled;
  size_t spool_room = 1 << 20;
  std::vector<Side*> sides;
  std::unique_ptr<Side> one;

  World() {
    store.fate = [this](bool is_write) {
      Fate fate;
      if (is_write && !fates.empty()) {
        fate = fates.front();
        fates.pop_front();
      }
      return fate;
    };
    settings.instance = "here";
    settings.callback_base = "http://hooks/webhooks/";
    settings.retry.base_ms = 1000;
    settings.retry.max_attempts = 3;
    start();
  }
  void start(int in_flight = 64) {
    one.reset();
    one = std::make_unique<Side>(*this, "one", in_flight, settings);
  }

  static Fate lost(bool is_applied, int64_t commit_us = 0) {
    Fate fate;
    fate.end = Fate::End::lost;
    fate.is_applied = is_applied;
    fate.commit_us = commit_us;
    return fate;
  }
  Uuid approve(Priority priority = Priority::normal, Kind kind = Kind::sms, const std::string& body = "hello") {
    const Uuid id = ids.next();
    const std::string to = kind == Kind::sms ? "+61491570006" : "anna@example.org";
    const Envelope envelope{kind, to, kind == Kind::sms ? "" : "subject", body, {}};
    const std::string salt(32, 's');
    const auto key = keys.make_data_key(id.text());
    MemoryStore::Message m;
    m.row.id = id;
    m.row.kind = kind;
    m.row.status = Status::queued;
    m.row.priority = priority;
    m.row.recipient_key = view(recipient_key(keys.index_key(), to));
    m.row.head = {2, sha256(id.text())};
    m.content.kek_id = keys.kek_id();
    m.content.wrapped_key = key.wrapped;
    m.content.sealed = keys.seal_with(key.key, seal_binding("content", id, 1, "sealed"), pack(salt, envelope));
    const Digest commit = envelope_commit(salt, envelope);
    const Digest mac = approval_mac(keys.mac_key(), id, 1, commit, kPolicyId);
    m.approvals.push_back({1, std::string(view(commit)), std::string(view(mac)), std::string(kPolicyId), {}});
    m.due = DueRow{id, 1, priority, kind == Kind::sms ? "sms" : "email", "tester", "", clock.wall(), std::nullopt};
    store.messages[id] = std::move(m);
    return id;
  }
  void offer(const Uuid& id) {
    const DueRow& due = *at(id).due;
    one->queue.offer({{id, due.priority, due.lane, due.sender, due.due_at}}, [](auto) {});
  }
  Uuid offered(Priority priority = Priority::normal, Kind kind = Kind::sms) {
    const Uuid id = approve(priority, kind);
    offer(id);
    return id;
  }
  MemoryStore::Message& at(const Uuid& id) { return store.messages.at(id); }
  Status status(const Uuid& id) { return at(id).row.status; }

  void turn() {
    clock.advance_ms(20);
    while (!later.empty() && later.begin()->first <= clock.tick().us) {
      const auto action = std::move(later.begin()->second);
      later.erase(later.begin());
      action();
    }
    for (Side* side : std::vector(sides)) {
      Timer end(side->loop);
      end.start(1, [side] { side->loop.stop(); });
      side->loop.run();
    }
  }
  // Turns the loops until `is_so`, letting time pass in small steps so that retries and polls come due.
  bool comes(const std::function<bool()>& is_so) {
    for (int i = 0; i < 2000 && !is_so(); i++) turn();
    return is_so();
  }
  void turns(int count) {
    for (int i = 0; i < count; i++) turn();
  }
  // The acknowledgement leaves a turn after the message does, and until then the queue folds an offer into the hint
  // that it still has.
  bool is_hinted(const Uuid& id) const {
    for (const auto& shard : server.snapshot())
      if (shard.own.contains(id)) return true;
    return false;
  }
  int64_t alarms(const std::string& reason) const { return metrics.value("signet_alarm", "reason=\"" + reason + '"'); }
};

inline Side::Side(World& world_of, const std::string& name, int in_flight, DeliverySettings settings)
    : world(world_of),
      queue(
          world.server, world.clock, [this](std::function<void()> action) { loop.post(std::move(action)); },
          [&name] {
            QueueOptions options;
            options.owner = name;
            return options;
          }()),
      journal(loop, world.clock, world.store, {{}, 2, world.ids.next(), name}),
      spool(Spool::open(std::make_unique<SpoolInMemory>(world.spooled, world.spool_room), 1 << 20).value()) {
  std::map<std::string, DeliveryProvider> providers;
  std::map<std::string, int> slots;
  for (const char* provider : {"twilio-main", "relay", "second"}) {
    providers[provider] = {std::make_shared<EchoingProvider>(),
                           std::make_unique<ScriptedTransport>(loop, world.script)};
    slots[provider] = in_flight;
  }
  delivery = std::make_unique<Delivery>(
      DeliveryParts{loop, world.clock, world.random, world.ids, world.log, world.metrics, queue, journal, world.keys,
                    world.routes, world.plan, *spool},
      std::move(settings),
      Admit({world.routes, queue, world.clock, world.random, world.pace, world.log, world.metrics}, slots),
      Dispatcher(0, 1), std::move(providers));
  delivery->take_over(spool->take_left());
  world.sides.push_back(this);
}

inline Side::~Side() {
  std::erase(world.sides, this);
  delivery.reset();
}

}  // namespace signet::test
