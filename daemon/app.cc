#include "daemon/app.h"

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "base/notify.h"
#include "base/server_clock.h"
#include "base/signals.h"
#include "daemon/access/sweep.h"
#include "daemon/api/link_callbacks.h"
#include "daemon/api/router.h"
#include "daemon/assembly.h"
#include "daemon/commands/commands.h"
#include "daemon/deliveries.h"
#include "daemon/delivery/bulk_requeue.h"
#include "daemon/delivery/worker.h"
#include "daemon/evidence/bundle_writer.h"
#include "daemon/evidence/exporter.h"
#include "daemon/evidence_work.h"
#include "daemon/http/server.h"
#include "daemon/readiness.h"
#include "daemon/upkeep.h"
#include "store/migrate.h"

namespace signet {
namespace {

constexpr int kExitConfiguration = 78;    // sysexits.h EX_CONFIG
constexpr int64_t kServersAgainMs = 500;  // while PostgreSQL is not there or has no schema
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
  void end_if_stopped();
  void tell_status();
  std::vector<api::Dependency> readiness();

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
  std::atomic<bool> is_delivering_ = false, is_stopping_ = false, is_fatal_ = false;
  bool is_server_stopped_ = false, is_intake_stopped_ = true, are_loops_stopped_ = true;
  Receivers receivers_;
  AnchorSettings anchor_settings_;
  NotifierSettings notifier_settings_;
  std::optional<Parts> parts_;
  std::unique_ptr<Deliveries> deliveries_;
  std::unique_ptr<EvidenceWork> evidence_;
  std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<Worker> starter_, watchdog_, sweeper_;
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
  auto offer = [this](std::vector<Hint> hints) {
    if (is_delivering_ && !is_stopping_) deliveries_->offer_soon(std::move(hints));
  };
  auto callback_came = [this] {
    if (is_delivering_) deliveries_->callback_came();
  };
  services_ = std::make_unique<api::ApiServices>(
      api::ApiServices{*pool_, *keys_, *routes_, clock_, ids_, random_, log_, config_.instance, offer, callback_came});
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
  parts_.emplace(Parts{config_, log_, clock_, random_, ids_, metrics_, *keys_, postgres_});
  upkeep_ = std::make_unique<Upkeep>(*parts_, purge_postgres_);
  bundles_.emplace(BundleSource{*keys_, *log_key_, {}, clock_});
  if (const auto& vkey = config_.audit.anchors.witness_key; !vkey.empty()) {
    auto witness = parse_witness_key(vkey);
    if (!witness) return Error{witness.error().code, "audit.anchors.witness_key: " + witness.error().text};
    bundles_->witnesses.push_back(std::move(*witness));
  }
  services_->bundles = &*bundles_;
  Tasks& tasks = upkeep_->tasks();
  tasks.add("export", export_work(*keys_, clock_, &*bundles_), export_ended(ids_, clock_));
  if (auto spool = tasks.open_spool(); !spool) return spool;
  tasks.add(kBulkRequeueTask, bulk_requeue_work(*due_plan_, clock_, ids_, log_, services_->offer));
  services_->tasks = &tasks;
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

// In this order: the notifier reads what the sequencer writes, and loops that send are looked after from the start.
void App::start_delivery() {
  link_callbacks_ = std::make_unique<api::LinkCallbacks>(*services_);
  deliveries_ = std::make_unique<Deliveries>(
      *parts_,
      Deliveries::Means{redis_, *routes_, *due_plan_, *result_spool_, providers_, receivers_, notifier_settings_},
      [this](const std::string& name, CallbackRequest request, std::function<void(UnaskedEnd)> done) {
        link_callbacks_->take(name, std::move(request), std::move(done));
      });
  deliveries_->start_care();
  evidence_ = std::make_unique<EvidenceWork>(
      *parts_,
      EvidenceWork::Means{*pool_, sequencer_postgres_, verifier_postgres_, *log_key_, anchor_settings_, receivers_,
                          *system_messages_, upkeep_->tasks()},
      [this] { return deliveries_->is_busy(); });
  evidence_->start();
  deliveries_->start_notifier();
  upkeep_->start();
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
  are_loops_stopped_ = false;
  deliveries_->start_loops();
  is_delivering_ = true;
  if (notify_.watchdog_ms() > 0)
    watchdog_ = std::make_unique<Worker>(notify_.watchdog_ms(), [this] {
      // Fed only while every loop turns, and the main loop, which carries this.
      if (deliveries_->have_turned()) loop_.post([this] { notify_.watchdog(); });
      return false;
    });
  log_.info("delivering", {{"instance", config_.instance}, {"loops", std::to_string(deliveries_->loops())}});
  notify_.ready("delivering");
  status_timer_.repeat(kStatusEveryMs, [this] { tell_status(); });
}

void App::tell_status() {
  const std::string status =
      !deliveries_->is_up("signet_postgres_up") ? "waiting for PostgreSQL; nothing is sent until it is back"
      : !deliveries_->is_up("signet_redis_up")  ? "Redis is away; claiming from PostgreSQL, slower"
                                                : "delivering";
  if (status != status_told_) notify_.status(status);
  status_told_ = status;
}

std::vector<api::Dependency> App::readiness() {
  std::vector<api::Dependency> out;
  api::Dependency postgres = postgres_readiness(*pool_);
  api::Dependency integrity = integrity_readiness(*pool_, postgres.is_ready);
  if (!anchor_settings_.sources.kinds().empty())
    out.push_back(anchors_readiness(*pool_, postgres.is_ready, anchor_settings_));
  if (is_delivering_ && intake_) {
    const std::string waits_for = intake_->waits_for();
    out.push_back({"intake", waits_for.empty(), false, waits_for});
  }
  out.push_back(std::move(postgres));
  out.push_back(std::move(integrity));
  const bool has_redis = is_delivering_ && deliveries_->is_up("signet_redis_up");
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
    if (deliveries_) deliveries_->hurry();
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
  deliveries_->stop_care();
  evidence_->stop();
  deliveries_->stop_watches();
  upkeep_->stop();
  deliveries_->stop_loops(deadline_ms, [this] {
    loop_.post([this] {
      are_loops_stopped_ = true;
      end_if_stopped();
    });
  });
}

void App::end_if_stopped() {
  if (are_loops_stopped_ && is_server_stopped_ && is_intake_stopped_) loop_.stop();
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
  if (deliveries_) {
    deliveries_->join_care();
    evidence_->join();
    deliveries_->join_watches();
    upkeep_->join();
  }
  server_.reset();
  if (deliveries_) deliveries_->end_loops();
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
