#include "daemon/app.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "base/notify.h"
#include "base/server_clock.h"
#include "base/signals.h"
#include "daemon/access/sweep.h"
#include "daemon/api/link_callbacks.h"
#include "daemon/api/router.h"
#include "daemon/assembly.h"
#include "daemon/commands/commands.h"
#include "daemon/delivery/bulk_requeue.h"
#include "daemon/delivery/callbacks.h"
#include "daemon/delivery/heartbeat.h"
#include "daemon/delivery/pause_watch.h"
#include "daemon/delivery/reconciler.h"
#include "daemon/delivery/worker.h"
#include "daemon/evidence/alerts.h"
#include "daemon/evidence/anchors.h"
#include "daemon/evidence/bundle_writer.h"
#include "daemon/evidence/entry_of.h"
#include "daemon/evidence/exporter.h"
#include "daemon/evidence/purge.h"
#include "daemon/evidence/reporter.h"
#include "daemon/evidence/rewrap.h"
#include "daemon/evidence/schedules.h"
#include "daemon/evidence/verification_task.h"
#include "daemon/evidence/verifier.h"
#include "daemon/http/server.h"
#include "store/migrate.h"

namespace signet {
namespace {

constexpr int kExitConfiguration = 78;    // sysexits.h EX_CONFIG
constexpr int64_t kServersAgainMs = 500;  // while PostgreSQL is not there or has no schema
constexpr int64_t kRelayEveryMs = 1000;
constexpr int64_t kReconcileEveryMs = 2000;
constexpr int64_t kBeatEveryMs = 2000;
constexpr int64_t kCallbacksEveryMs = 200;  // they are also woken by each callback
constexpr int64_t kCallbacksGatherMs = 25;  // a batch of receipts costs little more than one
constexpr int64_t kSequenceEveryMs = 250;
constexpr int64_t kTasksEveryMs = 5000;   // in case that a wake was missed: a schedule of another daemon
constexpr int64_t kAlertsEveryMs = 2000;  // looks what is due; keeps the place, as the next two
constexpr int64_t kVerifyEveryMs = 2000;
constexpr int64_t kAnchorEveryMs = 2000;
constexpr int64_t kPausesEveryMs = 500;
constexpr int64_t kNotifyEveryMs = 500;  // keeps the place too
constexpr int64_t kSchedulesEveryMs = 15000;
constexpr int64_t kRetentionEveryMs = 60000;  // looks what is due: the purge once a day
constexpr size_t kRequestsQueuedMax = 1024;
constexpr size_t kWebhookMax = 1 << 20;  // octets of a callback's body: no provider sends more
constexpr int64_t kStatusEveryMs = 1000;
constexpr int64_t kSweepEveryMs = 60000;
constexpr int64_t kRateWaitMs = 100;   // for Redis, of one request
constexpr int64_t kStopMsMax = 50000;  // systemd/signetd.service kills after 60 s

class App {
 public:
  App(const Config& config, Log& log, const Clock& clock)
      : config_(config), log_(log), clock_(clock), ids_(clock_, random_) {}

  Result<void> prepare();
  int run();
  void signalled(int signal) {
    loop_.post([this, signal] { stop(signal); });
  }  // any thread

 private:
  Result<void> listen();
  Result<void> listen_at(const std::string& name, const std::string& address, int port, const Config::Tls& tls,
                         http::Limits limits, std::vector<std::string> trusted, const api::Router& router);
  bool try_start();  // on the starter's thread: true once PostgreSQL is there
  void start_delivery();
  void stop(int signal);
  void one_loop_stopped();
  void end_if_stopped();
  void settle_overdue(std::vector<Uuid> ids, size_t loop);
  bool is_up(const char* gauge) const;  // on every loop
  void tell_status();
  void watch();
  std::vector<api::Dependency> readiness();
  void start_care(std::vector<Uuid> epochs);
  void start_evidence();
  void begin_nightly();
  void record_alarm(const IntegrityFault& fault);

  const Config& config_;
  Log& log_;
  ServerClock clock_;
  SystemRandom random_;
  IdSource ids_;
  Metrics metrics_;
  Notify notify_;
  Loop loop_;
  std::optional<Keyring> keys_;
  std::optional<Routes> routes_;
  std::unique_ptr<QuietHours> quiet_hours_;
  std::optional<DuePlan> due_plan_;
  std::unique_ptr<Pace> pace_;
  std::unique_ptr<Spool> result_spool_;
  std::optional<LogKey> log_key_;
  std::optional<BundleSource> bundles_;
  PgOptions postgres_, sequencer_postgres_, verifier_postgres_, purge_postgres_;
  RedisOptions redis_;
  std::map<std::string, LoopProvider> providers_;
  std::unique_ptr<PgPool> pool_;
  PasswordHasher passwords_{random_};
  std::unique_ptr<RedisRate> rate_;
  std::optional<IntakeKey> intake_key_;  // none: the stream is not read
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<RedisIntake> intake_stream_;
  std::unique_ptr<Limits> limits_;
  std::unique_ptr<SystemMessages> system_messages_;
  std::unique_ptr<Inbounds> inbounds_;
  std::unique_ptr<api::ApiServices> services_;
  std::unique_ptr<api::Router> admin_, webhooks_;
  std::unique_ptr<ThreadPool> threads_;
  std::unique_ptr<http::Server> server_;
  std::map<std::string, int> sockets_;

  std::unique_ptr<api::LinkCallbacks> link_callbacks_;
  std::vector<std::unique_ptr<DeliveryLoop>> loops_;
  std::atomic<bool> is_delivering_ = false, is_stopping_ = false, is_fatal_ = false;
  std::atomic<size_t> next_loop_ = 0;
  size_t loops_running_ = 0;
  bool is_server_stopped_ = false, is_intake_stopped_ = true;
  std::unique_ptr<EngineStore> relay_store_, reconciler_store_, callbacks_store_, beat_store_;
  std::unique_ptr<Heartbeat> heartbeat_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Reconciler> reconciler_;
  std::unique_ptr<Callbacks> callbacks_;
  std::unique_ptr<Sequencer> sequencer_;
  BackgroundShare background_{
      clock_,
      [this] { return std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->is_busy(); }); }};
  std::unique_ptr<Verifier> verifier_;
  std::unique_ptr<FaultRecord> faults_;
  Receivers receivers_;
  std::unique_ptr<Reporter> reporter_;
  std::unique_ptr<Schedules> schedules_;
  std::unique_ptr<Alerts> alerts_;
  AnchorSettings anchor_settings_;
  std::unique_ptr<Anchors> anchors_;
  std::unique_ptr<PauseWatch> pause_watch_;
  std::unique_ptr<Worker> pause_worker_;
  NotifierSettings notifier_settings_;
  std::unique_ptr<Notifier> notifier_;
  std::vector<std::unique_ptr<Worker>> tellers_;  // of the notifier, one a service
  std::unique_ptr<Purge> purge_;
  std::unique_ptr<Rewrap> rewrap_;
  std::unique_ptr<Tasks> tasks_;
  std::vector<std::unique_ptr<Worker>> task_workers_;
  std::unique_ptr<Worker> starter_, heartbeat_worker_, relay_worker_, reconciler_worker_, callbacks_worker_,
      sequencer_worker_, verifier_worker_, anchors_worker_, notifier_worker_, alerts_worker_, schedules_worker_,
      purge_worker_, rewrap_worker_, watchdog_, sweeper_;
  std::vector<int64_t> beats_seen_;
  std::string waiting_for_, status_told_;
  Timer status_timer_{loop_};
};

Result<void> App::prepare() {
  auto keys = make_keyring(config_, random_);
  if (!keys) return keys.error();
  keys_.emplace(std::move(*keys));
  auto postgres = make_postgres_options(config_);
  if (!postgres) return postgres.error();
  postgres_ = std::move(*postgres);
  auto log_key = make_log_key(config_);
  if (!log_key) return log_key.error();
  log_key_.emplace(std::move(*log_key));
  auto anchors = make_anchor_settings(config_);
  if (!anchors) return anchors.error();
  anchor_settings_ = std::move(*anchors);
  for (auto& [options, role] : {std::pair(&sequencer_postgres_, &config_.postgres.roles.sequencer),
                                std::pair(&verifier_postgres_, &config_.postgres.roles.verify),
                                std::pair(&purge_postgres_, &config_.postgres.roles.purge)}) {
    auto login = postgres_options(config_, *role);
    if (!login) return login.error();
    *options = std::move(*login);
  }
  auto redis = make_redis_options(config_);
  if (!redis) return redis.error();
  redis_ = std::move(*redis);
  auto providers = make_providers(config_);
  if (!providers) return providers.error();
  providers_ = std::move(*providers);
  if (config_.redis.intake) {
    auto key = make_intake_key(config_);
    if (!key) return key.error();
    intake_key_.emplace(std::move(*key));
  }
  routes_.emplace(make_routes(config_));
  auto quiet_hours = make_quiet_hours(config_);
  if (!quiet_hours) return quiet_hours.error();
  quiet_hours_ = std::move(*quiet_hours);
  due_plan_.emplace(*routes_, *quiet_hours_);

  pool_ = std::make_unique<PgPool>(postgres_, config_.postgres.api_connections);
  services_ = std::make_unique<api::ApiServices>(
      api::ApiServices{*pool_, *keys_, *routes_, clock_, ids_, random_, log_, config_.instance,
                       [this](std::vector<Hint> hints) {
                         // One loop after the other, so that a single message does not wait behind another's batch.
                         if (is_delivering_ && !is_stopping_)
                           loops_[next_loop_++ % loops_.size()]->offer_soon(std::move(hints));
                       },
                       [this] {
                         if (is_delivering_) callbacks_worker_->wake();
                       }});
  for (const auto& [name, one] : providers_) services_->providers[name] = one.provider;
  for (const auto& [name, one] : doubt_providers(providers_)) services_->doubt_rules[name] = one.rules;
  services_->webhooks_public_url = config_.http.webhooks.public_url;
  services_->readiness = [this] { return readiness(); };
  services_->metrics = [this] { return metrics_.text(); };
  services_->passwords = &passwords_;
  rate_ = std::make_unique<RedisRate>(loop_, clock_, random_, log_, redis_);
  limits_ = std::make_unique<Limits>(make_quotas(config_), clock_, keys_->index_key(),
                                     [this](const std::string& key, int64_t quota, int64_t window_us) {
                                       return rate_->take(key, quota, window_us, kRateWaitMs);
                                     });
  services_->limits = limits_.get();
  services_->alarm = [this](std::string_view reason) {
    metrics_.add("signet_alarm", "reason=\"" + std::string(reason) + '"');
  };
  services_->approval = make_approval_policy(config_);
  tasks_ = std::make_unique<Tasks>(postgres_, make_task_settings(config_), clock_, log_, metrics_, [this] {
    if (is_delivering_)  // from then on the workers are there
      for (auto& worker : task_workers_) worker->wake();
  });
  bundles_.emplace(BundleSource{*keys_, *log_key_, {}, clock_});
  if (const auto& vkey = config_.audit.anchors.witness_key; !vkey.empty()) {
    auto witness = parse_witness_key(vkey);
    if (!witness) return Error{witness.error().code, "audit.anchors.witness_key: " + witness.error().text};
    bundles_->witnesses.push_back(std::move(*witness));
  }
  services_->bundles = &*bundles_;
  tasks_->add("export", export_work(*keys_, clock_, &*bundles_), export_ended(ids_, clock_));
  if (auto spool = tasks_->open_spool(); !spool) return spool;
  purge_ = std::make_unique<Purge>(purge_postgres_, make_purge_settings(config_), clock_, ids_, log_, metrics_);
  tasks_->add("purge", [this](TaskRun& run) { return purge_->work(run); });
  tasks_->add(kBulkRequeueTask, bulk_requeue_work(*due_plan_, clock_, ids_, log_, services_->offer));
  services_->tasks = tasks_.get();
  auto result_spool = open_result_spool(config_, log_);
  if (!result_spool) return result_spool.error();
  result_spool_ = std::move(*result_spool);
  auto receivers = make_receivers(config_);
  if (!receivers) return receivers.error();
  receivers_ = std::move(*receivers);
  services_->receivers = &receivers_;
  auto notifier = make_notifier_settings(config_);
  if (!notifier) return notifier.error();
  notifier_settings_ = std::move(*notifier);
  services_->due_plan = &*due_plan_;
  system_messages_ =
      std::make_unique<SystemMessages>(*keys_, *due_plan_, receivers_.mails(), clock_, ids_, random_, config_.instance);
  inbounds_ = std::make_unique<Inbounds>(make_inbound_settings(config_), *keys_, ids_, *system_messages_, metrics_,
                                         config_.instance);
  services_->inbounds = inbounds_.get();
  services_->http_call = http_call;
  admin_ = std::make_unique<api::Router>(*services_, api::admin_routes());
  webhooks_ = std::make_unique<api::Router>(*services_, api::webhook_routes());
  threads_ = std::make_unique<ThreadPool>(static_cast<size_t>(config_.postgres.api_connections), kRequestsQueuedMax);
  return listen();
}

Result<void> App::listen() {
  server_ = std::make_unique<http::Server>(loop_, threads_.get(), clock_, ids_, log_);
  sockets_ = listen_fds();
  http::Limits limits;
  limits.header_bytes = static_cast<size_t>(config_.http.limits.header_bytes);
  limits.body_bytes = static_cast<size_t>(config_.http.limits.body_bytes);
  limits.idle_ms = config_.http.limits.idle_s * int64_t{1000};
  const auto& admin = config_.http.admin;
  auto done = listen_at("admin", admin.address, admin.port, admin.tls, limits, admin.trusted_proxies, *admin_);
  if (!done) return done;
  const auto& webhooks = config_.http.webhooks;
  limits.body_bytes = kWebhookMax;
  return listen_at("webhooks", webhooks.address, webhooks.port, webhooks.tls, limits, webhooks.trusted_proxies,
                   *webhooks_);
}

Result<void> App::listen_at(const std::string& name, const std::string& address, int port, const Config::Tls& tls,
                            http::Limits limits, std::vector<std::string> trusted, const api::Router& router) {
  http::ListenerOptions options;
  options.name = name;
  options.limits = limits;
  options.trusted_proxies = std::move(trusted);
  options.handler = [&router](http::Request request, http::Reply reply) { reply(router.handle(request)); };
  if (!tls.certificate.empty()) {
    auto context = TlsContext::server(tls.certificate, tls.key_file);
    if (!context) return Error{context.error().code, "http." + name + ".tls: " + context.error().text};
    options.tls = *context;
  }
  const auto given = sockets_.find(name);
  auto bound = given != sockets_.end() ? server_->adopt(given->second, std::move(options))
                                       : server_->listen({address, port}, std::move(options));
  if (!bound) return Error{bound.error().code, "http." + name + ".listen: " + bound.error().text};
  log_.info("listening", {{"listener", name}, {"address", address}, {"port", std::to_string(*bound)}});
  return {};
}

bool App::try_start() {
  std::string why;
  auto session = PgSession::open(postgres_);
  if (session) {
    auto schema = check_schema(**session);
    if (schema) schema = keys_->check(**session);
    if (schema) return true;
    why = schema.error().text;
    if (schema.error().code == ErrorCode::corrupt) {
      // Another key, or another schema: waiting mends neither.
      log_.error("cannot start", {{"reason", why}});
      std::fprintf(stderr, "signetd: %s\n", why.c_str());
      is_fatal_ = true;
      loop_.stop();
      return false;
    }
  } else {
    why = session.error().text;
  }
  if (why != waiting_for_) log_.warn("waiting for PostgreSQL; nothing is sent before it is there", {{"reason", why}});
  waiting_for_ = why;
  notify_.status("waiting for PostgreSQL: " + why);
  return false;
}

void App::start_delivery() {
  const int loops = loop_count(config_);
  pace_ = make_pace(config_, providers_, clock_.tick());
  const Uuid epoch = ids_.next();
  const auto& weights = config_.delivery.weights;
  std::vector<Uuid> epochs;
  link_callbacks_ = std::make_unique<api::LinkCallbacks>(*services_);
  for (int i = 0; i < loops; i++) {
    DeliveryLoopOptions options;
    options.number = i;
    options.loops = loops;
    options.redis = redis_;
    options.queue.owner = config_.instance + "." + epoch.text() + "." + std::to_string(i);
    options.queue.weights = {weights.critical, weights.high, weights.normal, weights.bulk};
    options.journal = {postgres_, config_.postgres.journal_connections, ids_.next(), config_.instance};
    epochs.push_back(options.journal.epoch);
    options.delivery = make_delivery_settings(config_);
    options.delivery.own_writing = {receivers_.mails(), config_.replies.help_text};
    for (const auto& [name, provider] : providers_) options.providers[name] = share_of(provider, loops);
    loops_.push_back(std::make_unique<DeliveryLoop>(
        Shared{clock_, random_, ids_, log_, metrics_, *keys_, *routes_, *due_plan_, *pace_, *result_spool_,
               [this](const std::string& name, CallbackRequest request, std::function<void(UnaskedEnd)> done) {
                 link_callbacks_->take(name, std::move(request), std::move(done));
               }},
        std::move(options)));
  }
  start_care(std::move(epochs));
  start_evidence();
  loops_[0]->on_redis_up([this] {
    relay_->redis_came_up();
    relay_worker_->wake();
  });
  if (intake_key_) {
    intake_ = std::make_unique<Intake>(*services_, *intake_key_, config_.redis.intake_service, metrics_);
    intake_stream_ =
        std::make_unique<RedisIntake>(loop_, clock_, random_, log_, redis_, make_intake_settings(config_), *threads_,
                                      [this](const IntakeEntry& entry) { return intake_->take(entry); });
    is_intake_stopped_ = false;
  }
  sweeper_ = std::make_unique<Worker>(kSweepEveryMs, [this] {
    admin_->record_throttled();
    sweep_access(*pool_, clock_, log_);
    return false;
  });
  for (auto& loop : loops_) loop->start();
  loops_running_ = loops_.size();
  pause_watch_ = std::make_unique<PauseWatch>(
      postgres_, config_.instance, clock_,
      [this](const Pauses& pauses) {
        for (auto& loop : loops_) loop->set_pauses(pauses);
      },
      [this] {
        std::vector<ProviderHealth> out;
        for (const auto& loop : loops_)
          for (auto& one : loop->health()) out.push_back(std::move(one));
        return out;
      });
  pause_worker_ = std::make_unique<Worker>(kPausesEveryMs, [this] { return pause_watch_->pass(); });
  pause_worker_->wake();
  is_delivering_ = true;
  beats_seen_.assign(loops_.size(), -1);
  if (notify_.watchdog_ms() > 0)
    watchdog_ = std::make_unique<Worker>(notify_.watchdog_ms(), [this] {
      watch();
      return false;
    });
  log_.info("delivering", {{"instance", config_.instance}, {"loops", std::to_string(loops)}});
  notify_.ready("delivering");
  status_timer_.repeat(kStatusEveryMs, [this] { tell_status(); });
}

// What looks after the deliveries: of the first two, one daemon's works for all.
void App::start_care(std::vector<Uuid> epochs) {
  for (auto* store : {&relay_store_, &reconciler_store_, &callbacks_store_, &beat_store_})
    *store = make_pg_engine_store(postgres_, clock_);
  RelaySettings relay;
  relay.instance = config_.instance;
  relay_ = std::make_unique<Relay>(*relay_store_, *loops_[0], relay, routes_->lanes(), clock_, ids_, log_, metrics_);
  const auto plan = [this](const MessageRow& message, int attempt_no, WallTime earliest) {
    return due_plan_->row(due_facts(message), attempt_no, earliest);
  };
  reconciler_ = std::make_unique<Reconciler>(
      *reconciler_store_, make_reconciler_settings(config_), doubt_providers(providers_), plan, *keys_, clock_, ids_,
      log_, metrics_,
      Reconciler::Hooks{[this](std::vector<Uuid> ids) { settle_overdue(std::move(ids), loops_.size() - 1); },
                        [this] { callbacks_worker_->wake(); }, http_call});
  callbacks_ = std::make_unique<Callbacks>(*callbacks_store_, ids_, log_, metrics_, config_.instance);
  heartbeat_ = std::make_unique<Heartbeat>(*beat_store_, clock_, config_.instance, std::move(epochs),
                                           [this](const Pulse& pulse, Tick asked, Tick answered) {
                                             clock_.heard(pulse.server_now, asked, answered);
                                             pace_->tokens().set_live_daemons(pulse.daemons);
                                           });
  heartbeat_->pass();  // before anything is stamped
  callbacks_worker_ = std::make_unique<Worker>(
      kCallbacksEveryMs, [this] { return callbacks_->apply(); }, kCallbacksGatherMs);
  heartbeat_worker_ = std::make_unique<Worker>(kBeatEveryMs, [this] { return heartbeat_->pass(); });
  relay_worker_ = std::make_unique<Worker>(kRelayEveryMs, [this] { return relay_->pass(); });
  reconciler_worker_ = std::make_unique<Worker>(kReconcileEveryMs, [this] { return reconciler_->pass(); });
}

void App::start_evidence() {
  sequencer_ = std::make_unique<Sequencer>(sequencer_postgres_, make_sequencer_settings(config_), *log_key_, clock_,
                                           log_, metrics_);
  const auto alarmed = [this](const IntegrityFault& fault) { record_alarm(fault); };
  verifier_ = std::make_unique<Verifier>(
      verifier_postgres_, VerifierSettings{}, *log_key_, clock_, ids_, log_, metrics_, alarmed, &*keys_,
      [this] { begin_nightly(); }, &background_);
  faults_ = std::make_unique<FaultRecord>(clock_, ids_, log_, metrics_, alarmed);
  tasks_->add(kVerificationTask,
              verification_work({verifier_postgres_, log_key_->name, *keys_, clock_, &background_}, *faults_),
              verification_ended(config_.instance, ids_, clock_));
  sequencer_worker_ = std::make_unique<Worker>(kSequenceEveryMs, [this] { return sequencer_->pass(); });
  verifier_worker_ = std::make_unique<Worker>(kVerifyEveryMs, [this] { return verifier_->pass(); });
  reporter_ = std::make_unique<Reporter>(make_reporter_settings(config_), *log_key_, *system_messages_, receivers_,
                                         clock_, ids_, log_);
  tasks_->add(
      "report", [this](TaskRun& run) { return reporter_->make(run); },
      [this](PgTransaction& tx, const Task& task) { return reporter_->ended(tx, task); });
  schedules_ = std::make_unique<Schedules>(
      postgres_, make_report_schedules(config_), config_.instance, clock_, ids_, log_,
      [this] { return tasks_->check_room(); }, [this](const Uuid& id) { tasks_->came(id); });
  alerts_ = std::make_unique<Alerts>(postgres_, make_alert_settings(config_, anchor_settings_.sources.kinds()),
                                     receivers_, *system_messages_, clock_, ids_, log_, metrics_);
  alerts_worker_ = std::make_unique<Worker>(kAlertsEveryMs, [this] { return alerts_->pass(); });
  schedules_worker_ = std::make_unique<Worker>(kSchedulesEveryMs, [this] { return schedules_->pass(); });
  if (!anchor_settings_.sources.kinds().empty()) {
    anchors_ =
        std::make_unique<Anchors>(sequencer_postgres_, verifier_postgres_, anchor_settings_, *log_key_, clock_, random_,
                                  ids_, log_, metrics_, [this](const IntegrityFault& fault) { record_alarm(fault); });
    anchors_worker_ = std::make_unique<Worker>(kAnchorEveryMs, [this] { return anchors_->pass(); });
  }
  if (!notifier_settings_.receivers.empty()) {
    notifier_ = std::make_unique<Notifier>(postgres_, notifier_settings_, clock_, ids_, log_, metrics_);
    notifier_worker_ = std::make_unique<Worker>(kNotifyEveryMs, [this] { return notifier_->pass(); });
    for (size_t i = 0; i < notifier_->receivers(); i++)
      tellers_.push_back(std::make_unique<Worker>(kNotifyEveryMs, [this, i] { return notifier_->tell(i); }));
  }
  purge_worker_ = std::make_unique<Worker>(kRetentionEveryMs, [this] { return purge_->pass(); });
  rewrap_ = std::make_unique<Rewrap>(postgres_, *keys_, config_.instance, clock_, ids_, log_, metrics_);
  rewrap_worker_ = std::make_unique<Worker>(kRetentionEveryMs, [this] { return rewrap_->pass(); });
  purge_worker_->wake();
  rewrap_worker_->wake();
  for (int i = 0; i < config_.exports.at_once; i++)
    task_workers_.push_back(std::make_unique<Worker>(kTasksEveryMs, [this] { return tasks_->pass(); }));
}

void App::begin_nightly() {
  auto session = pool_->take();
  if (!session) return;  // asked again in an hour
  PgTransaction tx(**session);
  auto id = insert_nightly(tx, config_.instance, ids_, clock_.wall());
  if (!id || !*id || !tx.commit().ok()) return;
  tasks_->came(**id);
}

// The fault is on record already, by the verifier's own login; the log says so too if it can.
void App::record_alarm(const IntegrityFault& fault) {
  Event event;
  event.id = ids_.next();
  event.at = clock_.wall();
  event.actor = {config_.instance, "daemon", "", "", ""};
  event.action = "integrity_alarm";
  event.object.type = "log";
  event.detail = {{"fault", fault.what}, {"level", static_cast<int64_t>(fault.level)}};
  if (fault.seq) event.detail.emplace_back("row", *fault.seq);
  if (fault.event_id) event.detail.emplace_back("eventId", fault.event_id->text());
  if (!fault.relation.empty()) event.detail.emplace_back("table", fault.relation);
  if (!fault.row_key.empty()) event.detail.emplace_back("rowKey", fault.row_key);
  auto session = pool_->take();
  if (!session) return;
  PgTransaction tx(**session);
  if (insert_entry(tx, entry_of(event, {})).ok()) (void)tx.commit().ok();
}

// systemd's watchdog is fed only while every loop turns.
void App::watch() {
  bool is_alive = true;
  for (size_t i = 0; i < loops_.size(); i++) {
    const int64_t beats = loops_[i]->beats();
    is_alive = is_alive && beats != beats_seen_[i];
    beats_seen_[i] = beats;
  }
  if (is_alive) loop_.post([this] { notify_.watchdog(); });  // and the main loop, which carries this
}

bool App::is_up(const char* gauge) const {
  for (size_t i = 0; i < loops_.size(); i++)
    if (metrics_.value(gauge, "loop=\"" + std::to_string(i) + "\"") != 1) return false;
  return true;
}

void App::tell_status() {
  const std::string status = !is_up("signet_postgres_up") ? "waiting for PostgreSQL; nothing is sent until it is back"
                             : !is_up("signet_redis_up")  ? "Redis is away; claiming from PostgreSQL, slower"
                                                          : "delivering";
  if (status != status_told_) notify_.status(status);
  status_told_ = status;
}

std::vector<api::Dependency> App::readiness() {
  std::vector<api::Dependency> out;
  api::Dependency postgres{"postgres", false, true, ""};
  if (auto session = pool_->take(1000)) {
    auto answered = (**session).run("select 1");
    postgres.is_ready = answered.ok();
    if (!answered) postgres.text = answered.error().text;
  } else {
    postgres.text = session.error().text;
  }
  api::Dependency integrity{"integrity", true, false, ""};
  if (auto session = pool_->take(1000); session && postgres.is_ready) {
    auto found = read_integrity(**session);
    integrity.is_ready = found.ok() && found->faults == 0;
    if (!found)
      integrity.text = found.error().text;
    else if (found->faults > 0)
      integrity.text = std::to_string(found->faults) +
                       " faults in the evidence, the newest: " + describe(found->newest.front()) +
                       ": find out who wrote to the database";
  }
  if (!anchor_settings_.sources.kinds().empty()) {
    api::Dependency anchors{"anchors", false, false, ""};
    if (auto session = pool_->take(1000); session && postgres.is_ready) {
      auto overdue = describe_overdue(**session, anchor_settings_);
      anchors.is_ready = overdue.ok() && overdue->empty();
      anchors.text = overdue.ok() ? *overdue : overdue.error().text;
    }
    out.push_back(std::move(anchors));
  }
  if (is_delivering_ && intake_) {
    const std::string waits_for = intake_->waits_for();
    out.push_back({"intake", waits_for.empty(), false, waits_for});
  }
  out.push_back(std::move(postgres));
  out.push_back(std::move(integrity));
  const bool has_redis = is_delivering_ && is_up("signet_redis_up");
  out.push_back({"redis", has_redis, false,
                 has_redis ? ""
                           : "Redis is away; messages are claimed from PostgreSQL, "
                             "slower: check redis.url and that the server runs"});
  const bool is_delivering = is_delivering_ && !is_stopping_;
  out.push_back({"delivery", is_delivering, true, is_delivering ? "" : is_stopping_ ? "stopping" : "not started yet"});
  return out;
}

void App::stop(int) {
  if (is_stopping_.exchange(true)) {  // the second signal hurries
    for (auto& loop : loops_) loop->hurry();
    return;
  }
  const int64_t deadline_ms = std::min<int64_t>(config_.delivery.request_timeout_ms, kStopMsMax);
  status_timer_.stop();
  log_.info("stopping: what is under way is finished or marked");
  notify_.stopping();
  starter_.reset();
  server_->stop(deadline_ms, [this] {
    is_server_stopped_ = true;
    end_if_stopped();
  });
  if (!is_delivering_) {
    loop_.stop();
    return;
  }
  if (intake_stream_)
    intake_stream_->stop([this] {
      is_intake_stopped_ = true;
      end_if_stopped();
    });
  heartbeat_worker_->stop();
  relay_worker_->stop();
  reconciler_worker_->stop();
  callbacks_worker_->stop();
  sequencer_worker_->stop();
  background_.stop();
  verifier_worker_->stop();
  alerts_worker_->stop();
  schedules_worker_->stop();
  if (anchors_worker_) anchors_worker_->stop();
  pause_worker_->stop();
  if (notifier_worker_) notifier_worker_->stop();
  for (auto& teller : tellers_) teller->stop();
  purge_->stop();
  purge_worker_->stop();
  rewrap_worker_->stop();
  tasks_->stop();
  for (auto& worker : task_workers_) worker->stop();
  for (auto& loop : loops_) loop->stop(deadline_ms, [this] { loop_.post([this] { one_loop_stopped(); }); });
}

// Past every loop: a result that one still holds, waiting for PostgreSQL, is better than a doubt.
void App::settle_overdue(std::vector<Uuid> ids, size_t loop) {
  loops_[loop]->without_held(std::move(ids), [this, loop](std::vector<Uuid> left) {
    if (left.empty()) return;
    if (loop == 0)
      loops_[0]->settle_overdue(std::move(left));
    else
      settle_overdue(std::move(left), loop - 1);
  });
}

void App::one_loop_stopped() {
  --loops_running_;
  end_if_stopped();
}

void App::end_if_stopped() {
  if (loops_running_ == 0 && is_server_stopped_ && is_intake_stopped_) loop_.stop();
}

int App::run() {
  notify_.status("waiting for PostgreSQL");
  starter_ = std::make_unique<Worker>(kServersAgainMs, [this] {
    if (!is_delivering_ && !is_stopping_ && !is_fatal_ && try_start())
      loop_.post([this] {
        if (is_stopping_ || is_delivering_) return;
        starter_.reset();
        start_delivery();
      });
    return false;
  });
  starter_->wake();
  loop_.run();
  starter_.reset();
  is_delivering_ = false;
  sweeper_.reset();
  threads_.reset();  // handlers under way end before what they use
  if (link_callbacks_) link_callbacks_->stop();
  rate_.reset();
  intake_stream_.reset();
  watchdog_.reset();
  heartbeat_worker_.reset();
  relay_worker_.reset();
  reconciler_worker_.reset();
  callbacks_worker_.reset();
  sequencer_worker_.reset();
  verifier_worker_.reset();
  alerts_worker_.reset();
  schedules_worker_.reset();
  anchors_worker_.reset();
  notifier_worker_.reset();
  pause_worker_.reset();
  tellers_.clear();
  purge_worker_.reset();
  rewrap_worker_.reset();
  task_workers_.clear();
  server_.reset();
  loops_.clear();
  if (is_fatal_) return kExitConfiguration;
  log_.info("stopped");
  return 0;
}

}  // namespace

int run_daemon(const Config& config, const Clock& clock) {
  const auto log = make_log(config.log.level, config.log.format);
  auto failed = [](const std::string& text) {
    std::fprintf(stderr, "signetd: %s\n", text.c_str());
    return kExitConfiguration;
  };
  for (const auto& fault : check_providers(config)) return failed(describe(fault));
  App app(config, *log, clock);
  Signals signals([&app](int signal) { app.signalled(signal); });  // before the first thread
  if (auto prepared = app.prepare(); !prepared) return failed(prepared.error().text);
  return app.run();
}

}  // namespace signet
