#include "tests/simulation/sim_daemon.h"

#include "daemon/delivery/delivery.h"
#include "store/memory_engine_store.h"
#include "tests/simulation/sim_queue.h"

namespace signet::test {
namespace {

constexpr int64_t kPassUs = 250'000;
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

struct SimDaemon::Run {
  explicit Run(SimDaemon& daemon);

  SimDaemon& daemon;
  IdSource ids;
  NullLog log;
  Metrics metrics;
  MemoryEngineStore store;
  Pace pace;
  std::vector<std::unique_ptr<SimDaemon::Loop>> loops;
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
  settings.poll_ms = 1000;
  settings.retry = {50, 2.0, 1000, 6};
  settings.instance = daemon.instance_;
  delivery = std::make_unique<Delivery>(DeliveryParts{loop, daemon.clock_, daemon.random_, run.ids, run.log,
                                                      run.metrics, queue, journal, around.keys, around.routes},
                                        settings, Admit({around.routes, queue, daemon.clock_, daemon.random_, run.pace}, slots),
                                        Dispatcher(number, around.knobs.loops), std::move(providers));
}

SimDaemon::Run::Run(SimDaemon& of)
    : daemon(of),
      ids(of.clock_, of.random_),
      store(of.around_.store, [&of] { return of.is_store_reachable_; }),
      pace(limits_of(of.around_), {}, of.clock_.tick()) {
  const Uuid first = ids.next();
  for (int i = 0; i < daemon.around_.knobs.loops; i++) {
    const Uuid epoch = i == 0 || daemon.around_.plant == "shared-epoch" ? first : ids.next();
    loops.push_back(std::make_unique<SimDaemon::Loop>(daemon, *this, i, epoch));
  }
}

SimDaemon::SimDaemon(const Surroundings& around, int number)
    : around_(around),
      number_(number),
      instance_("daemon-" + std::to_string(number)),
      clock_(around.time),
      random_(around.chance.next()) {}

SimDaemon::~SimDaemon() = default;

void SimDaemon::start() {
  is_paused_ = false;
  run_ = std::make_unique<Run>(*this);
  for (auto& loop : run_->loops) {
    if (!is_redis_reachable_) loop->queue.set_link(false);
    if (!is_store_reachable_) loop->journal.set_reachable(false, kLimitUs);
  }
  care();
}

void SimDaemon::kill() { run_.reset(); }

void SimDaemon::term() {
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
  return run_->store.keep_callback(row).ok();
}

size_t SimDaemon::in_flight() const {
  size_t out = 0;
  if (run_)
    for (const auto& loop : run_->loops) out += loop->delivery->in_flight();
  return out;
}

void SimDaemon::care() {
  around_.time.after(kPassUs, [this, alive = std::weak_ptr(run_->alive)] {
    if (alive.expired()) return;
    if (!is_paused_) pass();
    care();
  });
}

void SimDaemon::pass() {
  EngineStore& store = run_->store;
  SimQueue& queue = run_->loops.front()->queue;
  if (auto lanes = store.due_lanes(1000))
    for (const auto& lane : *lanes) {
      auto rows = store.scan_due(lane, 1000, {}, 100);
      if (!rows) return;
      std::vector<Hint> hints;
      for (const auto& row : *rows) hints.push_back({row.message_id, row.priority, row.lane, row.sender, row.due_at});
      if (queue.is_up()) queue.offer(std::move(hints), [](Result<OfferReply>) {});
    }
  if (auto overdue = store.overdue_permits(kOverdueMs, 100)) {
    std::vector<Uuid> ids;
    for (const auto& permit : *overdue) ids.push_back(permit.message_id);
    if (!ids.empty()) run_->loops.front()->delivery->settle_overdue(std::move(ids));
  }
}

}  // namespace signet::test
