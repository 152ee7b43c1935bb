#include "tests/simulation/sim_daemon.h"

#include "daemon/delivery/callbacks.h"
#include "daemon/delivery/delivery.h"
#include "daemon/delivery/heartbeat.h"
#include "daemon/delivery/reconciler.h"
#include "daemon/delivery/relay.h"
#include "store/memory_engine_store.h"
#include "tests/fakes/spool_in_memory.h"
#include "tests/simulation/sim_queue.h"

namespace signet::test {
namespace {

constexpr int64_t kCallbacksUs = 200'000, kCareUs = 500'000, kBeatUs = 1'000'000;
constexpr int64_t kStopMs = 1500;
constexpr int kInFlight = 16;

struct NullLog : Log {
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

std::map<std::string, ProviderLimits> limits_of(const Surroundings& around) {
  std::map<std::string, ProviderLimits> out;
  for (const auto& [name, provider] : around.providers)
    out[name] = {around.knobs.rate_per_s, around.knobs.burst, kInFlight};
  return out;
}

RelaySettings relay_settings(const std::string& instance) {
  RelaySettings out;
  out.instance = instance;
  out.round_ms = 2000;
  out.ahead_ms = 2000;
  return out;
}

ReconcilerSettings reconciler_settings(const std::string& instance, const Knobs& knobs) {
  static constexpr DoubtPolicy kPolicies[]{DoubtPolicy::wait, DoubtPolicy::resend, DoubtPolicy::fail};
  ReconcilerSettings out;
  out.overdue_ms = kOverdueMs;
  out.grace_ms = 1000;
  out.doubt_wait_ms = kDoubtWaitMs;
  out.attempts_max = 6;
  out.policy.fill(kPolicies[knobs.doubt_policy]);
  out.instance = instance;
  return out;
}

std::map<std::string, DoubtProvider> doubt_providers(const Surroundings& around) {
  std::map<std::string, DoubtProvider> out;
  for (const auto& [name, provider] : around.providers)
    out[name] = {provider, {provider->traits().doubt_class, provider->traits().key_life_ms}, ""};
  return out;
}

std::optional<DueRow> plan_due(const MessageRow& message, int attempt_no, WallTime earliest) {
  return DueRow{message.id, attempt_no, message.priority, "sms", "ward", "", earliest, message.expires_at};
}

}  // namespace

struct SimDaemon::Loop {
  Loop(SimDaemon& daemon, Run& run, int number, const Uuid& epoch);
  ~Loop() { delivery.reset(); }

  SimLoop* core;
  signet::Loop loop;
  SimQueue queue;
  MemoryJournal journal;
  std::unique_ptr<Delivery> delivery;
};

// The relay's way to the queue of the daemon's first loop.
class SimDoor : public QueueDoor {
 public:
  SimDoor(std::function<MemoryQueue*()> queue, std::function<void(std::vector<Uuid>)> look)
      : queue_(std::move(queue)), look_(std::move(look)) {}
  Result<OfferReply> offer(std::vector<Hint> hints) override {
    return ask<OfferReply>([&](MemoryQueue& queue, auto done) { queue.offer(std::move(hints), done); });
  }
  Result<ShardReport> inspect(int shard) override {
    return ask<ShardReport>([&](MemoryQueue& queue, auto done) { queue.inspect(shard, done); });
  }
  Result<void> clear(int shard) override {
    return ask<void>([&](MemoryQueue& queue, auto done) { queue.clear(shard, done); });
  }
  void look(std::vector<Uuid> ids) override { look_(std::move(ids)); }

 private:
  template <class T, class Question>
  Result<T> ask(Question question) {
    Result<T> out = Error{ErrorCode::unavailable, "Redis is away"};
    if (MemoryQueue* queue = queue_()) question(*queue, [&out](Result<T> answer) { out = std::move(answer); });
    return out;
  }
  const std::function<MemoryQueue*()> queue_;
  const std::function<void(std::vector<Uuid>)> look_;
};

struct SimDaemon::Run {
  explicit Run(SimDaemon& daemon);
  std::vector<Uuid> make_epochs();
  void settle_overdue(std::vector<Uuid> ids);

  SimDaemon& daemon;
  IdSource ids;
  NullLog log;
  Metrics metrics;
  Pace pace;
  const QuietHours quiet;
  const DuePlan plan;
  const std::unique_ptr<Spool> spool;
  std::vector<Uuid> epochs;
  std::vector<std::unique_ptr<SimDaemon::Loop>> loops;
  SimDoor door;
  MemoryEngineStore relay_store, reconciler_store, callbacks_store, beat_store;
  Relay relay;
  Reconciler reconciler;
  Callbacks callbacks;
  Heartbeat heartbeat;
  std::shared_ptr<int> alive = std::make_shared<int>();
};

SimDaemon::Loop::Loop(SimDaemon& daemon, Run& run, int number, const Uuid& epoch)
    : core(new SimLoop(daemon.around_.time)),
      loop(std::unique_ptr<LoopCore>(core)),
      queue(
          daemon.around_.time, loop, *daemon.around_.redis, daemon.around_.server_clock,
          [&] {
            QueueOptions options;
            options.owner = daemon.instance_ + "." + epoch.text() + "." + std::to_string(number);
            return options;
          }(),
          [&daemon] { return daemon.queue_fate(); }),
      journal(loop, daemon.clock_, daemon.around_.store, {{}, 2, epoch, daemon.instance_}) {
  const Surroundings& around = daemon.around_;
  std::map<std::string, int> slots;
  std::map<std::string, DeliveryProvider> providers;
  for (const auto& [name, provider] : around.providers) {
    slots[name] = kInFlight;
    auto transport = std::make_unique<SimTransport>(around.time, loop, daemon.clock_, *provider, around.judge,
                                                    kInFlight, kRequestMs);
    transport->ignores_deadline = around.plant == "no-deadline";
    transport->has_key_of_attempt = around.plant == "key-of-attempt";
    providers[name] = {provider, std::move(transport)};
  }
  DeliverySettings settings;
  settings.window = around.knobs.window;
  settings.batch = around.knobs.batch;
  settings.hold = around.knobs.batch / 2;
  settings.permit_start_ms = kPermitStartMs;
  settings.request_timeout_ms = kRequestMs;
  settings.lease_ms = kLeaseMs;
  settings.poll_ms = 3000;
  settings.loop = number;
  settings.loops = around.knobs.loops;
  settings.retry = {50, 2.0, 1000, 6};
  settings.instance = daemon.instance_;
  delivery = std::make_unique<Delivery>(
      DeliveryParts{loop, daemon.clock_, daemon.random_, run.ids, run.log, run.metrics, queue, journal, around.keys,
                    around.routes, run.plan, *run.spool},
      settings, Admit({around.routes, queue, daemon.clock_, daemon.random_, run.pace, run.log, run.metrics}, slots),
      Dispatcher(number, around.knobs.loops), std::move(providers));
}

SimDaemon::Run::Run(SimDaemon& of)
    : daemon(of),
      ids(of.clock_, of.random_),
      pace(limits_of(of.around_), {3000, 0.5, 8, 1000}, of.clock_.tick()),
      plan(of.around_.routes, quiet),
      spool(Spool::open(std::make_unique<SpoolInMemory>(of.spooled_, of.disk_room_), of.disk_room_).value()),
      door([this] { return loops.front()->queue.at_once(); },
           [this](std::vector<Uuid> ids_of) {
             SimDaemon::Loop& first = *loops.front();
             first.loop.post([&first, ids_of = std::move(ids_of)] { first.delivery->look(ids_of); });
           }),
      relay_store(of.around_.store, of.reaches_store()),
      reconciler_store(of.around_.store, of.reaches_store()),
      callbacks_store(of.around_.store, of.reaches_store()),
      beat_store(of.around_.store, of.reaches_store()),
      relay(relay_store, door, relay_settings(of.instance_), of.around_.routes.lanes(), of.clock_, ids, log, metrics),
      reconciler(reconciler_store, reconciler_settings(of.instance_, of.around_.knobs), doubt_providers(of.around_),
                 plan_due, of.around_.keys, of.clock_, ids, log, metrics,
                 {[this](std::vector<Uuid> overdue) { settle_overdue(std::move(overdue)); }, [] {},
                  [&of](const HttpCall& call) { return of.look_up(call.url); }}),
      callbacks(callbacks_store, ids, log, metrics, of.instance_),
      heartbeat(beat_store, of.clock_, of.instance_, make_epochs(),
                [this](const Pulse& pulse, Tick, Tick) { pace.tokens().set_live_daemons(pulse.daemons); }) {
  for (auto* store : {&relay_store, &reconciler_store, &callbacks_store})
    store->loses_change = [&of] {
      return of.around_.knobs.has_failing_store && !of.is_calm_ && of.around_.chance.below(20) == 0;
    };
  for (int i = 0; i < of.around_.knobs.loops; i++)
    loops.push_back(std::make_unique<SimDaemon::Loop>(of, *this, i, epochs[static_cast<size_t>(i)]));
  loops.front()->delivery->take_over(spool->take_left());
}

std::vector<Uuid> SimDaemon::Run::make_epochs() {
  epochs = {ids.next()};
  while (static_cast<int>(epochs.size()) < daemon.around_.knobs.loops)
    epochs.push_back(daemon.around_.plant == "shared-epoch" ? epochs.front() : ids.next());
  return epochs;
}

// To the last loop, without what this daemon has under way itself (Deliveries::settle_overdue).
void SimDaemon::Run::settle_overdue(std::vector<Uuid> overdue) {
  for (const auto& loop : loops) std::erase_if(overdue, [&](const Uuid& id) { return loop->delivery->is_holding(id); });
  SimDaemon::Loop& last = *loops.back();
  if (!overdue.empty())
    last.loop.post([&last, overdue = std::move(overdue)] { last.delivery->settle_overdue(overdue); });
}

SimDaemon::SimDaemon(const Surroundings& around, int number)
    : around_(around),
      instance_("daemon-" + std::to_string(number)),
      clock_(around.time),
      disk_room_(around.knobs.disk_bytes),
      random_(around.chance.next()) {}

SimDaemon::~SimDaemon() = default;

void SimDaemon::start() {
  is_paused_ = is_stopping_ = false;
  run_ = std::make_unique<Run>(*this);
  for (auto& loop : run_->loops) {
    if (!is_redis_reachable_) loop->queue.set_link(false);
    if (!is_store_reachable_) loop->journal.set_reachable(false, kLimitUs);
  }
  care();
}

void SimDaemon::kill() {
  run_.reset();
  // In the middle of a write, now and then.
  if (!spooled_.empty() && around_.chance.below(2) == 0) spooled_ += spooled_.substr(0, spooled_.size() / 2 + 1);
}

void SimDaemon::term() {
  is_stopping_ = true;
  auto left = std::make_shared<size_t>(run_->loops.size());
  for (auto& loop : run_->loops)
    loop->delivery->stop(kStopMs, [this, left, alive = std::weak_ptr(run_->alive)] {
      if (--*left > 0) return;
      around_.time.after(0, [this, alive] {  // not from within the loop that goes
        if (!alive.expired()) kill();
      });
    });
}

void SimDaemon::pause() {
  is_paused_ = true;
  for (auto& loop : run_->loops) loop->core->pause();
}

void SimDaemon::resume() {
  if (!is_paused_ || !run_) return;
  is_paused_ = false;
  for (auto& loop : run_->loops) loop->core->resume();
}

void SimDaemon::reach_store(bool is_reachable) {
  is_store_reachable_ = is_reachable;
  if (run_)
    for (auto& loop : run_->loops) loop->journal.set_reachable(is_reachable, kLimitUs);
}

void SimDaemon::reach_redis(bool is_reachable) {
  is_redis_reachable_ = is_reachable;
  if (run_)
    for (auto& loop : run_->loops) loop->queue.set_link(is_reachable);
}

void SimDaemon::follow_redis() {
  is_redis_reachable_ = true;
  if (run_)
    for (auto& loop : run_->loops) loop->queue.move_to(*around_.redis);
}

SimQueue::Fate SimDaemon::queue_fate() {
  SimQueue::Fate fate;
  fate.there_us = 50 + static_cast<int64_t>(around_.chance.below(300));
  fate.back_us = 50 + static_cast<int64_t>(around_.chance.below(300));
  if (is_calm_ || !around_.knobs.has_failing_queue) return fate;
  const uint64_t draw = around_.chance.below(400);
  if (draw == 0) fate.end = SimQueue::Fate::End::request_lost;
  if (draw == 1) fate.end = SimQueue::Fate::End::reply_lost;
  if (draw < 10) fate.back_us += static_cast<int64_t>(around_.chance.below(400'000));
  return fate;
}

void SimDaemon::offer(const MemoryStore::Message& message) {
  SimQueue& queue = run_->loops[around_.chance.below(run_->loops.size())]->queue;
  const DueRow& due = *message.due;
  if (queue.is_up())
    queue.offer({{due.message_id, due.priority, due.lane, due.sender, due.due_at}}, [](Result<OfferReply>) {});
}

bool SimDaemon::receive(const SimReceipt& receipt) {
  CallbackRow row;
  row.id = run_->ids.next();
  row.provider = receipt.provider;
  row.event_id = receipt.event_id;
  row.message_id = receipt.message_id;
  row.attempt_no = receipt.attempt_no;
  row.kind = receipt.kind;
  row.received_at = clock_.wall();
  return run_->callbacks_store.keep_callback(row).ok();
}

size_t SimDaemon::in_flight() const {
  size_t out = 0;
  if (run_)
    for (const auto& loop : run_->loops) out += loop->delivery->in_flight();
  return out;
}

std::function<bool()> SimDaemon::reaches_store() {
  return [this] { return is_store_reachable_; };
}

Result<HttpReply> SimDaemon::look_up(const std::string& url) {
  if (!is_calm_ && around_.chance.below(10) == 0) return Error{ErrorCode::timeout, "no reply came in time"};
  const size_t slash = url.find('/');
  return around_.providers.at(url.substr(0, slash))->known_of(url.substr(slash + 1));
}

void SimDaemon::repeat(int64_t every_us, void (*pass)(Run&)) {
  around_.time.after(every_us, [this, every_us, pass, alive = std::weak_ptr(run_->alive)] {
    if (alive.expired()) return;
    if (!is_paused_) pass(*run_);
    repeat(every_us, pass);
  });
}

void SimDaemon::care() {
  repeat(kCallbacksUs, [](Run& run) {
    while (run.callbacks.apply()) continue;
  });
  repeat(kCareUs, [](Run& run) {
    if (run.daemon.is_store_reachable_ && run.daemon.around_.store.is_up())  // as PauseWatch reads them
      for (auto& loop : run.loops) loop->delivery->set_pauses(run.daemon.around_.store.pauses);
    while (run.relay.pass()) continue;
    while (run.reconciler.pass()) continue;
  });
  repeat(kBeatUs, [](Run& run) { run.heartbeat.pass(); });
  run_->heartbeat.pass();
}

}  // namespace signet::test
