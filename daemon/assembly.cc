#include "daemon/assembly.h"

#include <algorithm>
#include <thread>

#include "base/file.h"
#include "daemon/commands/commands.h"
#include "message/phone.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

// Between the database's clock and ours, and for a daemon that was stopped for a moment.
constexpr int64_t kSkewMs = 5000;

DoubtPolicy policy_of(const std::string& word) {
  if (word == "resend") return DoubtPolicy::resend;
  if (word == "fail") return DoubtPolicy::fail;
  return DoubtPolicy::wait;
}

// The configuration checked each address; in normal form it is what an envelope holds.
std::string normal_form(const std::string& mail) {
  auto address = parse_mail_address(mail);
  return address ? address->address : "";
}

}  // namespace

Result<Keyring> make_keyring(const Config& config, Random& random) {
  Secret keys[3];
  const std::pair<const char*, const std::string*> files[] = {
      {"secrets.key_encryption_key_file", &config.secrets.key_encryption_key_file},
      {"secrets.daemon_mac_key_file", &config.secrets.daemon_mac_key_file},
      {"secrets.index_key_file", &config.secrets.index_key_file}};
  for (size_t i = 0; i < 3; i++) {
    auto key = read_key_file(*files[i].second);
    if (!key)
      return Error{key.error().code,
                   std::string(files[i].first) + ": " + key.error().text + ": `signetd keygen` makes missing keys"};
    keys[i] = std::move(*key);
  }
  std::vector<Secret> previous;
  for (const auto& file : config.secrets.previous_key_encryption_key_files) {
    auto key = read_key_file(file);
    if (!key) return Error{key.error().code, "secrets.previous_key_encryption_key_files: " + key.error().text};
    previous.push_back(std::move(*key));
  }
  return Keyring(std::move(keys[0]), std::move(keys[1]), std::move(keys[2]), random, std::move(previous));
}

Result<PgOptions> make_postgres_options(const Config& config) { return postgres_options(config); }

Result<RedisOptions> make_redis_options(const Config& config) {
  RedisOptions out;
  out.url = config.redis.url;
  if (auto address = parse_redis_url(out.url); !address)
    return address.error();
  else if (address->is_tls) {
    auto tls = TlsContext::client(config.redis.ca_file);
    if (!tls) return Error{tls.error().code, "redis.ca_file: " + tls.error().text};
    out.tls = *tls;
  }
  out.user = config.redis.user;
  if (!config.redis.password_file.empty()) {
    auto password = read_secret_file(config.redis.password_file);
    if (!password) return Error{password.error().code, "redis.password_file: " + password.error().text};
    out.password = std::move(*password);
  }
  return out;
}

Result<IntakeKey> make_intake_key(const Config& config) {
  auto jwk = read_secret_file(config.secrets.intake_key_file);
  auto key = jwk ? IntakeKey::parse(*jwk) : Result<IntakeKey>(jwk.error());
  if (!key) return Error{key.error().code, "secrets.intake_key_file: " + key.error().text};
  return key;
}

RedisIntakeSettings make_intake_settings(const Config& config) {
  RedisIntakeSettings out;
  out.consumer = config.instance;
  out.at_once = std::clamp(config.postgres.api_connections / 2, 1, out.at_once);  // people's requests need the others
  return out;
}

Result<std::map<std::string, LoopProvider>> make_providers(const Config& config) {
  std::map<std::string, LoopProvider> out;
  for (const auto& entry : config.providers) {
    LoopProvider one;
    one.settings = provider_settings(entry);
    for (const auto& [key, file] : entry.secret_files) {
      auto secret = read_secret_file(file);
      if (!secret)
        return Error{secret.error().code, "providers." + entry.name + "." + key + "_file: " + secret.error().text};
      one.settings.secrets[key] = std::move(*secret);
    }
    auto provider = make_provider(one.settings);
    if (!provider) return Error{provider.error().code, "providers." + entry.name + ": " + provider.error().text};
    one.provider = std::move(*provider);
    one.limits = {entry.rate_per_s, static_cast<double>(entry.burst), entry.in_flight};
    out[entry.name] = std::move(one);
  }
  return out;
}

LoopProvider share_of(const LoopProvider& provider, int loops) {
  LoopProvider out = provider;
  out.limits.in_flight = std::max(1, out.limits.in_flight / loops);
  return out;
}

std::unique_ptr<Pace> make_pace(const Config& config, const std::map<std::string, LoopProvider>& providers, Tick now) {
  std::map<std::string, ProviderLimits> limits;
  for (const auto& [name, provider] : providers) limits[name] = provider.limits;
  const auto& breaker = config.delivery.breaker;
  const BreakerSettings settings{breaker.window_s * int64_t{1000}, breaker.ratio, breaker.min_attempts,
                                 breaker.open_s * int64_t{1000}};
  return std::make_unique<Pace>(limits, settings, now);
}

Routes make_routes(const Config& config) {
  std::vector<Route> out;
  for (const auto& route : config.routes) {
    Route one;
    one.kind = parse_kind(route.kind).value_or(Kind::sms);  // config checked the word
    one.destinations = route.match.country;
    one.destinations.insert(one.destinations.end(), route.match.domain.begin(), route.match.domain.end());
    one.tags = route.match.tag;
    for (const auto& choice : route.providers) one.providers.push_back({choice.name, choice.weight});
    out.push_back(std::move(one));
  }
  return Routes(std::move(out));
}

Result<std::unique_ptr<QuietHours>> make_quiet_hours(const Config& config) {
  const auto& quiet = config.delivery.quiet_hours;
  QuietSettings out{quiet.from_min, quiet.to_min, quiet.default_zones, {}};
  for (const auto& word : quiet.applies_to)
    if (const auto priority = parse_priority(word)) out.applies_to[static_cast<size_t>(*priority) - 1] = true;
  auto made = QuietHours::make(std::move(out));
  if (!made) return Error{made.error().code, "delivery.quiet_hours.default_zones: " + made.error().text};
  return made;
}

DeliverySettings make_delivery_settings(const Config& config) {
  DeliverySettings out;
  out.window = config.delivery.window;
  out.batch = std::min(out.batch, std::max(1, out.window / 8));
  out.permit_start_ms = config.delivery.permit_start_ms;
  out.request_timeout_ms = config.delivery.request_timeout_ms;
  out.lease_ms = config.delivery.lease_ms;
  const auto& retry = config.delivery.retry;
  out.retry = {retry.base_ms, retry.factor, retry.cap_ms, retry.max_attempts};
  out.callback_base = config.http.webhooks.public_url + "/webhooks/";
  out.instance = config.instance;
  return out;
}

Result<std::unique_ptr<Spool>> open_result_spool(const Config& config, Log& log) {
  const std::string path = config.delivery.spool_dir + "/results/" + file_name_of(config.instance);
  auto file = open_spool_file(path);
  if (!file) return Error{file.error().code, "delivery.spool_dir: " + file.error().text};
  auto spool = Spool::open(std::move(*file), size_t{static_cast<uint32_t>(config.delivery.spool_mb_max)} << 20);
  if (!spool) return Error{spool.error().code, "delivery.spool_dir: " + spool.error().text};
  if ((*spool)->waiting() > 0)
    log.info("results of the last run wait in the spool", {{"rows", std::to_string((*spool)->waiting())}});
  if ((*spool)->torn_octets() > 0)
    log.warn("the spool of results ended in a torn record: a message or more will stand in doubt",
             {{"octets", std::to_string((*spool)->torn_octets())}});
  return spool;
}

ReconcilerSettings make_reconciler_settings(const Config& config) {
  ReconcilerSettings out;
  out.overdue_ms = config.delivery.permit_start_ms + config.delivery.request_timeout_ms + kSkewMs;
  out.attempts_max = config.delivery.retry.max_attempts;
  out.doubt_wait_ms = config.delivery.in_doubt.wait_s * int64_t{1000};
  out.policy = {policy_of(config.delivery.in_doubt.sms), policy_of(config.delivery.in_doubt.email),
                policy_of(config.delivery.in_doubt.letter)};
  out.instance = config.instance;
  return out;
}

std::map<std::string, DoubtProvider> doubt_providers(const std::map<std::string, LoopProvider>& providers) {
  std::map<std::string, DoubtProvider> out;
  for (const auto& [name, one] : providers) {
    const auto rules = doubt_rules(*one.provider, one.settings);  // make_provider() has checked them
    const auto ca_file = one.settings.values.find("ca_file");
    out[name] = {one.provider, rules ? *rules : DoubtRules{},
                 ca_file == one.settings.values.end() ? "" : ca_file->second};
  }
  return out;
}

SequencerSettings make_sequencer_settings(const Config& config) {
  SequencerSettings out;
  out.checkpoint_every_ms = config.audit.checkpoint_every_s * int64_t{1000};
  return out;
}

PurgeSettings make_purge_settings(const Config& config) {
  PurgeSettings out;
  out.retention_years = config.audit.retention_years;
  out.instance = config.instance;
  return out;
}

TaskSettings make_task_settings(const Config& config) {
  TaskSettings out;
  out.instance = config.instance;
  out.spool_dir = config.exports.spool_dir;
  out.spool_bytes_max = int64_t{config.exports.spool_mb_max} << 20;
  out.keep_ms = config.exports.keep_h * int64_t{3'600'000};
  return out;
}

InboundSettings make_inbound_settings(const Config& config) {
  const auto& replies = config.replies;
  return {ReplyWords(replies.stop, replies.start, replies.help), replies.help_text};
}

Result<Receivers> make_receivers(const Config& config) {
  Receivers out;
  for (const auto& entry : config.alerts.receivers) {
    Receiver one{entry.name, entry.mail.empty() ? "" : normal_form(entry.mail), entry.webhook, {}};
    auto fault = [&entry](const Error& error) {
      return Error{error.code, "alerts.receivers." + entry.name + ".secret_file: " + error.text};
    };
    if (!entry.webhook.empty()) {
      auto secret = read_secret_file(entry.secret_file);
      if (!secret) return fault(secret.error());
      if (auto key = webhook_key(secret->octets()); !key) return fault(key.error());
      one.secret = std::move(*secret);
    }
    out.alerts.push_back(std::move(one));
  }
  for (const auto& report : config.reports) {
    if (report.deliver_to.starts_with('/'))
      out.report_folders.insert(report.deliver_to);
    else
      out.report_mails.insert(normal_form(report.deliver_to));
  }
  return out;
}

Result<NotifierSettings> make_notifier_settings(const Config& config) {
  NotifierSettings out;
  for (const auto& entry : config.status_webhooks) {
    auto fault = [&entry](const Error& error) {
      return Error{error.code, "status_webhooks." + entry.service + ".secret_file: " + error.text};
    };
    auto secret = read_secret_file(entry.secret_file);
    if (!secret) return fault(secret.error());
    auto key = webhook_key(secret->octets());
    if (!key) return fault(key.error());
    out.receivers.push_back({entry.service, entry.url, std::move(*key)});
  }
  return out;
}

AlertSettings make_alert_settings(const Config& config, const std::vector<std::string>& anchor_kinds) {
  constexpr int64_t kMinuteMs = 60'000;
  const auto& rules = config.alerts.rules;
  AlertSettings out;
  out.instance = config.instance;
  out.limits.anchor_overdue_ms = rules.anchor_overdue_min * kMinuteMs;
  out.limits.review_age_ms = rules.review_age_min * kMinuteMs;
  out.limits.stuck_ms = rules.stuck_min * kMinuteMs;
  out.limits.in_doubt_ms = rules.in_doubt_min * kMinuteMs;
  out.limits.failure_rate = rules.failure_rate;
  out.limits.log_in_burst = rules.log_in_burst;
  out.limits.anchor_kinds = anchor_kinds;
  out.integrity_receivers = rules.integrity;
  out.repeat_ms = config.alerts.repeat_min * kMinuteMs;
  return out;
}

ReporterSettings make_reporter_settings(const Config& config) {
  return {config.instance, SIGNET_VERSION, config.audit.retention_years, config.approval.high_risk.quorum};
}

std::vector<ReportSchedule> make_report_schedules(const Config& config) {
  std::vector<ReportSchedule> out;
  for (const auto& report : config.reports) {
    ReportSchedule row;
    row.name = report.name;
    row.cron = report.cron;
    row.format = report.format;
    row.deliver_to = report.deliver_to.starts_with('/') ? report.deliver_to : normal_form(report.deliver_to);
    out.push_back(std::move(row));
  }
  return out;
}

Result<AnchorSettings> make_anchor_settings(const Config& config) {
  const auto& anchors = config.audit.anchors;
  AnchorSettings out;
  if (!anchors.worm_dir.empty()) out.sources.folder.emplace(anchors.worm_dir, config.audit.log_name);
  if (!anchors.witness_url.empty()) {
    auto key = parse_witness_key(anchors.witness_key);
    if (!key) return Error{key.error().code, "audit.anchors.witness_key: " + key.error().text};
    out.sources.witness = std::move(*key);
    out.witness_url = anchors.witness_url;
    while (out.witness_url.ends_with('/')) out.witness_url.pop_back();
  }
  if (!anchors.tsa_url.empty()) {
    out.sources.tsa_ca_file = anchors.tsa_ca_file;
    out.tsa_url = anchors.tsa_url;
  }
  out.stamp_every_ms = anchors.every_min * int64_t{60'000};
  out.overdue_ms = config.alerts.rules.anchor_overdue_min * int64_t{60'000};
  return out;
}

Quotas make_quotas(const Config& config) {
  const auto& limits = config.http.limits;
  return {limits.read_per_min, limits.write_per_min, limits.approve_per_min, limits.export_per_min,
          limits.log_in_per_min};
}

api::ApprovalPolicy make_approval_policy(const Config& config) {
  const auto& high = config.approval.high_risk;
  api::ApprovalPolicy out;
  out.high_risk.quorum = high.quorum;
  out.high_risk.needs_role = parse_role(high.needs_role).value_or(Role::doctor);  // config checked the word
  out.high_risk.lapse_ms = high.lapse_h * int64_t{3'600'000};
  out.high_risk.score_above = high.score_above;
  out.high_risk.verification_below = high.verification_below;
  out.high_risk.dismissed_critical = high.dismissed_critical;
  out.high_risk.purposes = high.purposes;
  out.duplicate_window_h = config.approval.duplicate_window_h;
  out.claim_minutes = config.approval.claim_min;
  out.faults_stop = config.audit.faults_stop_approvals;
  for (const auto& [physician, users] : config.approval.delegates)
    if (const auto id = parse_uuid(physician))
      for (const auto& user : users)
        if (const auto named = parse_uuid(user)) out.delegates[*id].push_back(*named);
  return out;
}

int loop_count(const Config& config) {
  if (config.delivery.loops > 0) return config.delivery.loops;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace signet
