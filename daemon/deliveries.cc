#include "daemon/deliveries.h"

#include <algorithm>
#include <utility>

#include "daemon/assembly.h"

namespace signet {
namespace {

constexpr int64_t kRelayEveryMs = 1000;
constexpr int64_t kReconcileEveryMs = 2000;
constexpr int64_t kBeatEveryMs = 2000;
constexpr int64_t kCallbacksEveryMs = 200;  // they are also woken by each callback
constexpr int64_t kCallbacksGatherMs = 25;  // a batch of receipts costs little more than one
constexpr int64_t kPausesEveryMs = 500;
constexpr int64_t kNotifyEveryMs = 500;  // keeps the place too

}  // namespace

Deliveries::Deliveries(const Parts& parts, const Means& means, const decltype(Shared::unasked)& unasked)
    : parts_(parts),
      pace_(make_pace(parts.config, means.providers, parts.clock.tick())),
      relay_store_(make_pg_engine_store(parts.postgres, parts.clock)),
      reconciler_store_(make_pg_engine_store(parts.postgres, parts.clock)),
      callbacks_store_(make_pg_engine_store(parts.postgres, parts.clock)),
      beat_store_(make_pg_engine_store(parts.postgres, parts.clock)) {
  const Config& config = parts.config;
  const int loops = loop_count(config);
  const Uuid epoch = parts.ids.next();
  const auto& weights = config.delivery.weights;
  std::vector<Uuid> epochs;
  for (int i = 0; i < loops; i++) {
    DeliveryLoopOptions options;
    options.number = i;
    options.loops = loops;
    options.redis = means.redis;
    options.queue.owner = config.instance + "." + epoch.text() + "." + std::to_string(i);
    options.queue.weights = {weights.critical, weights.high, weights.normal, weights.bulk};
    options.journal = {parts.postgres, config.postgres.journal_connections, parts.ids.next(), config.instance};
    epochs.push_back(options.journal.epoch);
    options.delivery = make_delivery_settings(config);
    options.delivery.own_writing = {means.receivers.mails(), config.replies.help_text};
    for (const auto& [name, provider] : means.providers) options.providers[name] = share_of(provider, loops);
    loops_.push_back(std::make_unique<DeliveryLoop>(
        Shared{parts.clock, parts.random, parts.ids, parts.log, parts.metrics, parts.keys, means.routes, means.due_plan,
               *pace_, means.result_spool, unasked},
        std::move(options)));
  }
  beats_seen_.assign(loops_.size(), -1);

  RelaySettings relay;
  relay.instance = config.instance;
  relay_ = std::make_unique<Relay>(*relay_store_, *loops_[0], relay, means.routes.lanes(), parts.clock, parts.ids,
                                   parts.log, parts.metrics);
  const auto plan = [&due_plan = means.due_plan](const MessageRow& message, int attempt_no, WallTime earliest) {
    return due_plan.row(due_facts(message), attempt_no, earliest);
  };
  reconciler_ = std::make_unique<Reconciler>(
      *reconciler_store_, make_reconciler_settings(config), doubt_providers(means.providers), plan, parts.keys,
      parts.clock, parts.ids, parts.log, parts.metrics,
      Reconciler::Hooks{[this](std::vector<Uuid> ids) { settle_overdue(std::move(ids), loops_.size() - 1); },
                        [this] { callback_came(); }, http_call});
  callbacks_ = std::make_unique<Callbacks>(*callbacks_store_, parts.ids, parts.log, parts.metrics, config.instance);
  heartbeat_ = std::make_unique<Heartbeat>(*beat_store_, parts.clock, config.instance, std::move(epochs),
                                           [this](const Pulse& pulse, Tick asked, Tick answered) {
                                             parts_.clock.heard(pulse.server_now, asked, answered);
                                             pace_->tokens().set_live_daemons(pulse.daemons);
                                           });
  pause_watch_ = std::make_unique<PauseWatch>(
      parts.postgres, config.instance, parts.clock,
      [this](const Pauses& pauses) {
        for (auto& loop : loops_) loop->set_pauses(pauses);
      },
      [this] {
        std::vector<ProviderHealth> out;
        for (const auto& loop : loops_)
          for (auto& one : loop->health()) out.push_back(std::move(one));
        return out;
      });
  if (!means.notifier.receivers.empty())
    notifier_ =
        std::make_unique<Notifier>(parts.postgres, means.notifier, parts.clock, parts.ids, parts.log, parts.metrics);
}

// Of relay and reconciler, one daemon's works for all.
void Deliveries::start_care() {
  heartbeat_->pass();  // before anything is stamped
  callbacks_worker_ = std::make_unique<Worker>(
      kCallbacksEveryMs, [this] { return callbacks_->apply(); }, kCallbacksGatherMs);
  heartbeat_worker_ = std::make_unique<Worker>(kBeatEveryMs, [this] { return heartbeat_->pass(); });
  relay_worker_ = std::make_unique<Worker>(kRelayEveryMs, [this] { return relay_->pass(); });
  reconciler_worker_ = std::make_unique<Worker>(kReconcileEveryMs, [this] { return reconciler_->pass(); });
}

void Deliveries::start_notifier() {
  if (!notifier_) return;
  notifier_worker_ = std::make_unique<Worker>(kNotifyEveryMs, [this] { return notifier_->pass(); });
  for (size_t i = 0; i < notifier_->receivers(); i++)
    tellers_.push_back(std::make_unique<Worker>(kNotifyEveryMs, [this, i] { return notifier_->tell(i); }));
}

void Deliveries::start_loops() {
  loops_[0]->on_redis_up([this] {
    relay_->redis_came_up();
    relay_worker_->wake();
  });
  loops_running_ = loops_.size();
  for (auto& loop : loops_) loop->start();
  pause_worker_ = std::make_unique<Worker>(kPausesEveryMs, [this] { return pause_watch_->pass(); });
  pause_worker_->wake();
}

void Deliveries::stop_care() {
  heartbeat_worker_->stop();
  relay_worker_->stop();
  reconciler_worker_->stop();
  callbacks_worker_->stop();
}

void Deliveries::stop_watches() {
  pause_worker_->stop();
  if (notifier_worker_) notifier_worker_->stop();
  for (auto& teller : tellers_) teller->stop();
}

void Deliveries::stop_loops(int64_t deadline_ms, const std::function<void()>& done) {
  for (auto& loop : loops_)
    loop->stop(deadline_ms, [this, done] {
      if (--loops_running_ == 0) done();
    });
}

void Deliveries::hurry() {
  for (auto& loop : loops_) loop->hurry();
}

void Deliveries::join_care() {
  heartbeat_worker_.reset();
  relay_worker_.reset();
  reconciler_worker_.reset();
  callbacks_worker_.reset();
}

void Deliveries::join_watches() {
  notifier_worker_.reset();
  pause_worker_.reset();
  tellers_.clear();
}

void Deliveries::end_loops() { loops_.clear(); }

// One loop after the other, so that a single message does not wait behind another's batch.
void Deliveries::offer_soon(std::vector<Hint> hints) {
  loops_[next_loop_++ % loops_.size()]->offer_soon(std::move(hints));
}

bool Deliveries::is_busy() const {
  return std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->is_busy(); });
}

bool Deliveries::is_up(const char* gauge) const {
  for (size_t i = 0; i < loops_.size(); i++)
    if (parts_.metrics.value(gauge, "loop=\"" + std::to_string(i) + "\"") != 1) return false;
  return true;
}

bool Deliveries::have_turned() {
  bool is_alive = true;
  for (size_t i = 0; i < loops_.size(); i++) {
    const int64_t beats = loops_[i]->beats();
    is_alive = is_alive && beats != beats_seen_[i];
    beats_seen_[i] = beats;
  }
  return is_alive;
}

// Past every loop: a result that one still holds, waiting for PostgreSQL, is better than a doubt.
void Deliveries::settle_overdue(std::vector<Uuid> ids, size_t loop) {
  loops_[loop]->without_held(std::move(ids), [this, loop](std::vector<Uuid> left) {
    if (left.empty()) return;
    if (loop == 0)
      loops_[0]->settle_overdue(std::move(left));
    else
      settle_overdue(std::move(left), loop - 1);
  });
}

}  // namespace signet
