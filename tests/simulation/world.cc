#include "tests/simulation/world.h"

#include <algorithm>

#include "tests/simulation/invariants.h"
#include "tests/simulation/people.h"
#include "tests/simulation/sim_daemon.h"

namespace signet::test {
namespace {

// After all is well: until everything has ended. A doubt whose row was refused is left alone for ten minutes.
constexpr int64_t kSettleUs = 60'000'000, kSettleRefusedUs = 660'000'000;
constexpr int64_t kTailUs = 4'000'000;  // after that: what is still to come, comes late
constexpr int64_t kLookUs = 100'000;

class World {
 public:
  World(uint64_t seed, const MessagePool& pool, const SimOptions& options)
      : options_(options),
        pool_(pool),
        chance_(seed),
        net_chance_(seed ^ 0x6e6574),
        trace_(time_, options.trace),
        knobs_(draw(options, chance_)),
        store_(server_clock_, [this](int64_t us, std::function<void()> action) { time_.after(us, std::move(action)); }),
        judge_(time_, store_, trace_, kPermitStartMs),
        routes_({routes_of(knobs_)}),
        people_(time_, store_, judge_, trace_, chance_) {}
  ~World() { time_.drop(); }  // what is still under way refers to servers, which go before the time does

  Ended run() {
    prepare();
    plan_messages();
    plan_trouble();
    time_.run_until(knobs_.trouble_us);
    heal();
    const int64_t end_us = time_.now_us() + (knobs_.bad_rows ? kSettleRefusedUs : kSettleUs);
    while (time_.now_us() < end_us && !is_settled()) time_.run_until(time_.now_us() + kLookUs);
    const bool has_settled = is_settled();
    time_.run_until(time_.now_us() + kTailUs);
    check_end(store_, judge_, knobs_, people_.accepted(), has_settled);
    for (auto& daemon : daemons_) daemon->kill();
    Ended out{judge_.faults(), 0, time_.events(), judge_.requests(), time_.now_us()};
    trace_.note("end", out.requests, out.events);
    out.hash = trace_.hash();
    return out;
  }

 private:
  static Knobs draw(const SimOptions& options, SeededRandom& chance) {
    Knobs knobs = draw_knobs(chance);
    if (options.limit) options.limit(knobs);
    if (options.plant == "shared-epoch" || options.plant == "not-only-mine") {
      // Rare by itself: two loops have a message, and the COMMIT of the second one's question is not known.
      knobs.loops = 2;
      knobs.acts = 10;
      knobs.has_failing_store = knobs.redis_flush = true;
      knobs.manners.reply_us_max = 900'000;
    }
    return knobs;
  }
  static Route routes_of(const Knobs& knobs) {
    Route route{Kind::sms, {}, {}, {}};
    for (const auto& traits : knobs.providers) route.providers.push_back({traits.name, 100});
    return route;
  }

  void prepare() {
    plant();
    for (const auto& traits : knobs_.providers) {
      auto provider = std::make_shared<SimProvider>(time_, judge_, net_chance_, traits,
                                                    [this](const SimReceipt& receipt) { deliver(receipt); });
      provider->manners = knobs_.manners;
      provider->forgets_keys = options_.plant == "forgotten-keys";
      provider->denies = options_.plant == "lying-look-up";
      providers_[traits.name] = std::move(provider);
    }
    if (knobs_.has_failing_store)
      store_.fate = [this](bool is_write) { return store_fate(is_write); };
    else
      store_.fate = [this](bool) { return usual_store_fate(); };
    store_.watch = [this](std::string_view what, const Uuid& id, int attempt_no) {
      trace_.note(what, judge_.index_of(id), attempt_no);
    };
    trace_.note("daemons and loops", knobs_.daemons, knobs_.loops);
    trace_.note("rate and policy", static_cast<int64_t>(knobs_.rate_per_s), knobs_.doubt_policy);
    for (const auto& traits : knobs_.providers)
      trace_.note(traits.name + " of class", static_cast<int64_t>(traits.doubt_class), traits.key_life_ms);
    store_.survives = [this] { return chance_.below(2) == 0; };
    const Surroundings around{time_,  trace_,     server_clock_, net_chance_,  store_, redis_,
                              judge_, providers_, routes_,       pool_.keys(), knobs_, options_.plant};
    for (int i = 0; i < knobs_.daemons; i++) {
      daemons_.push_back(std::make_unique<SimDaemon>(around, i));
      daemons_.back()->start();
    }
  }

  void plant() {
    auto& broken = store_.broken;
    for (const auto& [name, flag] :
         {std::pair("no-head-gate", &broken.head_gate), std::pair("permit-twice", &broken.permit_key),
          std::pair("not-only-mine", &broken.own_epoch), std::pair("lost-due", &broken.next_due),
          std::pair("not-durable", &broken.durability)})
      if (options_.plant == name) *flag = true;
  }

  MemoryStore::Fate usual_store_fate() {
    MemoryStore::Fate fate;
    fate.read_us = 200 + static_cast<int64_t>(net_chance_.below(400));
    fate.commit_us = fate.read_us + static_cast<int64_t>(net_chance_.below(2'000));
    fate.reply_us = fate.commit_us + 200 + static_cast<int64_t>(net_chance_.below(400));
    return fate;
  }
  MemoryStore::Fate store_fate(bool is_write) {
    using End = MemoryStore::Fate::End;
    MemoryStore::Fate fate = usual_store_fate();
    if (is_calm_) return fate;
    const uint64_t draw = net_chance_.below(100);
    if (draw < 5) {  // slow: it waits for a lock, for a disk
      fate.commit_us += static_cast<int64_t>(net_chance_.below(1'500'000));
      fate.reply_us = fate.commit_us + 300;
    } else if (draw < 9 && is_write) {
      fate.end = End::conflict;
    } else if (draw < 14) {
      fate.end = End::lost;
      fate.is_applied = net_chance_.below(2) == 0;
      if (net_chance_.below(3) == 0) fate.commit_us += static_cast<int64_t>(net_chance_.below(300'000));
    }
    return fate;
  }

  void plan_messages() {
    auto& pool = pool_.messages();
    std::vector<size_t> order(pool.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    for (int i = 0; i < knobs_.messages; i++) {
      std::swap(order[static_cast<size_t>(i)],
                order[static_cast<size_t>(i) + chance_.below(order.size() - static_cast<size_t>(i))]);
      const auto& message = pool[order[static_cast<size_t>(i)]];
      const auto at_us = static_cast<int64_t>(chance_.below(static_cast<uint64_t>(knobs_.trouble_us * 3 / 4)));
      time_.after(at_us, [this, &message] { approve(message); });
    }
    time_.after(0, [this] { look(); });
  }

  void approve(const MemoryStore::Message& message) {
    if (!store_.is_up()) return time_.after(300'000, [this, &message] { approve(message); });
    MemoryStore::Message accepted = message;
    if (knobs_.expires && chance_.below(3) == 0)
      accepted.row.expires_at = WallTime{store_.now().us + static_cast<int64_t>(chance_.below(6'000'000))};
    const bool is_later = chance_.below(6) == 0;
    const WallTime due_at{store_.now().us + (is_later ? static_cast<int64_t>(chance_.below(3'000'000)) : 0)};
    accepted.due =
        DueRow{accepted.row.id, 1, accepted.row.priority, "sms", "ward", "", due_at, accepted.row.expires_at};
    people_.accept(accepted);
    SimDaemon& daemon = *daemons_[chance_.below(daemons_.size())];
    if (daemon.is_at_work() && chance_.below(5) > 0) daemon.offer(accepted);
  }

  // Each kind of trouble ends by itself; all of it ends with heal().
  void plan_trouble() {
    std::vector<std::function<void()>> kinds;
    auto add = [&](bool is_wanted, std::function<void()> act) {
      if (is_wanted) kinds.push_back(std::move(act));
    };
    auto any = [this]() -> SimDaemon& { return *daemons_[chance_.below(daemons_.size())]; };
    add(knobs_.kills, [this, any] { kill(any()); });
    add(knobs_.pauses, [this, any] { pause(any()); });
    add(knobs_.stops, [this, any] { term(any()); });
    add(knobs_.steps_clocks, [this, any] { step_clock(any()); });
    add(knobs_.redis_down, [this] { redis_down(); });
    add(knobs_.redis_flush, [this] { redis_flush(); });
    add(knobs_.redis_failover, [this] { redis_failover(0); });
    add(knobs_.redis_rollback, [this] { redis_rollback(); });
    add(knobs_.redis_split, [this] { redis_failover(below_us(2'000'000)); });
    add(knobs_.store_down, [this] { store_down(); });
    add(knobs_.store_cut, [this, any] { store_cut(any()); });
    add(knobs_.bad_rows, [this] { bad_row(); });
    add(knobs_.storms, [this] { storm(); });
    add(knobs_.people, [this] { people_.act(); });
    add(knobs_.people, [this] { people_.act(); });
    add(knobs_.people, [this] { people_.pause_or_resume(); });
    if (kinds.empty()) return;
    for (int i = 0; i < knobs_.acts; i++) {
      const auto act = kinds[chance_.below(kinds.size())];
      time_.after(below_us(knobs_.trouble_us), [this, act] {
        if (!is_calm_) act();
      });
    }
  }

  int64_t below_us(int64_t us) { return static_cast<int64_t>(chance_.below(static_cast<uint64_t>(us))); }
  int64_t number_of(const SimDaemon& daemon) const {
    for (size_t i = 0; i < daemons_.size(); i++)
      if (daemons_[i].get() == &daemon) return static_cast<int64_t>(i);
    return -1;
  }

  void kill(SimDaemon& daemon) {
    if (!daemon.is_running()) return;
    trace_.note("kill", number_of(daemon));
    daemon.kill();
    start_later(daemon);
  }
  void start_later(SimDaemon& daemon) {
    time_.after(100'000 + below_us(3'000'000), [this, &daemon] {
      if (daemon.is_stopping()) return start_later(daemon);
      if (daemon.is_running()) return;
      trace_.note("start", number_of(daemon));
      daemon.start();
    });
  }
  void pause(SimDaemon& daemon) {
    if (!daemon.is_at_work()) return;
    trace_.note("pause", number_of(daemon));
    daemon.pause();
    const int64_t lasts_us = chance_.below(4) == 0 ? 14'000'000 : 4'000'000;  // of those, some lose what they lead
    time_.after(below_us(lasts_us), [this, &daemon] {
      trace_.note("resume", number_of(daemon));
      daemon.resume();
    });
  }
  void term(SimDaemon& daemon) {
    if (!daemon.is_at_work()) return;
    trace_.note("term", number_of(daemon));
    daemon.term();
    start_later(daemon);
  }
  void step_clock(SimDaemon& daemon) {
    const int64_t by_us = below_us(2 * 3'600'000'000) - 3'600'000'000;
    trace_.note("step clock", number_of(daemon), by_us);
    daemon.step_clock_us(by_us / (1 + static_cast<int64_t>(chance_.below(1000))));
  }
  void redis_down() {
    if (!redis_->is_up()) return;
    trace_.note("redis down");
    MemoryQueueServer* server = redis_;
    server->set_up(false);
    for (auto& daemon : daemons_) daemon->reach_redis(false);
    if (chance_.below(2) == 0) server->flush();  // nothing of it was on disk
    time_.after(below_us(3'000'000), [this] { redis_back(); });
  }
  void redis_back() {
    trace_.note("redis back");
    redis_->set_up(true);
    for (auto& daemon : daemons_) daemon->reach_redis(true);
  }
  void redis_flush() {
    trace_.note("redis flushed");
    redis_->flush();
  }
  // The replica that takes over lacks the last writes; for `split_us` some daemons go on with the old server.
  void redis_failover(int64_t split_us) {
    if (!redis_->is_up()) return;
    auto lagging = std::make_shared<MemoryQueueServer::Shards>(redis_->snapshot());
    time_.after(below_us(300'000), [this, lagging, split_us] {
      if (!redis_->is_up() || is_calm_) return;
      trace_.note("redis failover", split_us);
      servers_.push_back(std::make_unique<MemoryQueueServer>());
      redis_ = servers_.back().get();
      redis_->restore(*lagging);
      for (auto& daemon : daemons_) {
        if (split_us > 0 && chance_.below(2) == 0)
          time_.after(below_us(split_us), [&daemon] { daemon->follow_redis(); });
        else
          daemon->follow_redis();
      }
    });
  }
  void redis_rollback() {
    auto old = std::make_shared<MemoryQueueServer::Shards>(redis_->snapshot());
    time_.after(below_us(3'000'000), [this, old] {
      if (is_calm_) return;
      trace_.note("redis rolled back");
      redis_->restore(*old);
    });
  }
  void store_down() {
    if (!store_.is_up()) return;
    trace_.note("store down");
    store_.stop();
    time_.after(below_us(3'000'000), [this] {
      if (store_.is_up()) return;
      trace_.note("store back");
      store_.start();
    });
  }
  void store_cut(SimDaemon& daemon) {
    trace_.note("store cut off", number_of(daemon));
    daemon.reach_store(false);
    time_.after(below_us(4'000'000), [&daemon] { daemon.reach_store(true); });
  }
  void bad_row() {
    const auto& accepted = people_.accepted();
    if (accepted.empty()) return;
    const Uuid id = accepted[chance_.below(accepted.size())];
    trace_.note("row refused", judge_.index_of(id));
    store_.refused.insert(id);
    time_.after(below_us(2'000'000), [this, id] { store_.refused.erase(id); });
  }
  void storm() {
    for (auto& [name, provider] : providers_) {
      provider->manners.fail = 30;
      provider->manners.reset_taken = provider->manners.reset_lost = 15;
    }
    time_.after(below_us(1'500'000), [this] {
      if (is_calm_) return;
      for (auto& [name, provider] : providers_) provider->manners = knobs_.manners;
    });
  }

  void deliver(const SimReceipt& receipt) {
    for (auto& daemon : daemons_)
      if (daemon->is_at_work() && daemon->receive(receipt)) return;
    time_.after(200'000, [this, receipt] { deliver(receipt); });
  }

  void look() {
    for (auto& daemon : daemons_)
      if (daemon->in_flight() > static_cast<size_t>(knobs_.window * knobs_.loops))
        judge_.fail("I13", Uuid{}, "more messages in flight than the window takes");
    time_.after(kLookUs, [this] { look(); });
  }

  void heal() {
    trace_.note("all is well");
    is_calm_ = true;
    store_.refused.clear();
    if (!store_.is_up()) store_.start();
    if (!redis_->is_up()) redis_->set_up(true);
    for (auto& [name, provider] : providers_) {
      provider->manners = Manners{};
      provider->manners.reply_us_max = 20'000;
    }
    for (auto& daemon : daemons_) {
      daemon->set_calm();
      daemon->step_clock_us(0);
      daemon->resume();
      if (!daemon->is_running() || daemon->is_stopping()) {
        daemon->kill();
        daemon->start();
      }
      daemon->reach_store(true);
      daemon->follow_redis();
    }
    people_.go_home();
  }

  bool is_settled() const {
    for (const auto& [id, m] : store_.messages) {
      if (m.due) return false;
      if (m.row.status == Status::in_doubt && !waits_for_person(m)) return false;
      for (const auto& [n, start] : m.starts)
        if (!start.is_void && !m.results.contains(n)) return false;
    }
    return static_cast<int>(people_.accepted().size()) == knobs_.messages;
  }

  // The reconciler has looked at it, and left it. Not where it asks the provider: there it looks again.
  bool waits_for_person(const MemoryStore::Message& m) const {
    const auto newest =
        std::find_if(m.starts.rbegin(), m.starts.rend(), [](const auto& s) { return !s.second.is_void; });
    for (const auto& traits : knobs_.providers)
      if (newest != m.starts.rend() && traits.name == newest->second.provider &&
          traits.doubt_class == DoubtClass::queryable)
        return false;
    const auto noted = store_.doubts.find(m.row.id);
    return knobs_.doubt_policy == 0 && noted != store_.doubts.end() && noted->second.looks > 0;
  }

  const SimOptions& options_;
  const MessagePool& pool_;
  SeededRandom chance_, net_chance_;
  SimTime time_;
  SimClock server_clock_{time_};
  Trace trace_;
  Knobs knobs_;
  MemoryStore store_;
  std::vector<std::unique_ptr<MemoryQueueServer>> servers_ = first_server();
  MemoryQueueServer* redis_ = servers_.front().get();
  Judge judge_;
  std::map<std::string, std::shared_ptr<SimProvider>> providers_;
  Routes routes_;
  People people_;
  bool is_calm_ = false;
  std::vector<std::unique_ptr<SimDaemon>> daemons_;

  static std::vector<std::unique_ptr<MemoryQueueServer>> first_server() {
    std::vector<std::unique_ptr<MemoryQueueServer>> out;
    out.push_back(std::make_unique<MemoryQueueServer>());
    return out;
  }
};

}  // namespace

Ended simulate(uint64_t seed, const MessagePool& pool, const SimOptions& options) {
  return World(seed, pool, options).run();
}

const std::vector<std::string>& all_plants() {
  static const std::vector<std::string> plants{"shared-epoch",   "no-head-gate", "permit-twice",   "not-only-mine",
                                               "lost-due",       "not-durable",  "forgotten-keys", "no-deadline",
                                               "key-of-attempt", "lying-look-up"};
  return plants;
}

}  // namespace signet::test
