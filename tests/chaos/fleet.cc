#include "tests/chaos/fleet.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "base/bytes.h"
#include "tests/fakes/approved_messages.h"

namespace signet::chaos {
namespace {

constexpr char kSid[] = "AC00000000000000000000000000000000";
constexpr char kToken[] = "chaos-token";
constexpr char kWebhookKey[] = "chaos-webhook-key-of-32-octets..";
constexpr char kPublicUrl[] = "http://127.0.0.1:9";  // what providers sign; each daemon listens elsewhere

std::string scratch() {
  char name[] = "/tmp/signet-chaos.XXXXXX";
  if (!::mkdtemp(name)) throw std::runtime_error("no scratch folder");
  return name;
}

std::string last_lines(const std::string& file, size_t bytes) {
  const std::string text = read_file(file);
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

}  // namespace

Fleet::Fleet(FleetSettings chosen)
    : settings(std::move(chosen)),
      folder(scratch()),
      sms_lanes{{"sms", "gw-idempotent", "AU", EffectRule::once},
                {"sms-2", "gw-queryable", "NZ", EffectRule::once},
                {"sms-3", "twilio-main", "US", EffectRule::resolved},
                {"sms-4", "gw-blind", "GB", EffectRule::resolved}},
      sink_lane{"sms-" + std::to_string(sms_lanes.size() + 1), "sink", "IE", EffectRule::resolved},
      keys(test_keys(random)) {
  for (int d = 0; d < kDaemons; d++) {
    const auto i = static_cast<size_t>(d);
    admin_ports_[i] = free_tcp_port();
    webhook_ports_[i] = free_tcp_port();
    redis_proxies_[i] = std::make_unique<Proxy>(proxy_loop_, clock, random, redis.port());
    postgres_proxies_[i] = std::make_unique<Proxy>(proxy_loop_, clock, random, postgres.port());
  }
  judge_port_ = free_tcp_port();
  smtp_port_ = free_tcp_port();
  sink_port_ = free_tcp_port();
  std::filesystem::create_directory(folder + "/keys");
  write_file(folder + "/keys/kek", to_base64(std::string(32, 'k')));
  write_file(folder + "/keys/mac", to_base64(std::string(32, 'm')));
  write_file(folder + "/keys/index", to_base64(std::string(32, 'i')));
  write_file(folder + "/keys/twilio", kToken);
  write_file(folder + "/keys/webhook", to_base64(kWebhookKey));
  for (int d = 0; d < kDaemons; d++) write_config(d);
  run({"keygen"});
  if (settings.has_sink) start_sink();
  const nlohmann::json judge{
      {"httpPort", judge_port_},
      {"smtpPort", smtp_port_},
      {"journal", folder + "/seen.jsonl"},
      {"smtpJournal", folder + "/seen-mail.jsonl"},
      {"mix", settings.mix},
      {"accountSid", kSid},
      {"authToken", kToken},
      {"webhookPorts", webhook_ports_},
      {"webhookKey", kWebhookKey},
      {"gateways",
       {{{"name", "gw-idempotent"}, {"knowsKeys", true}},
        {{"name", "gw-queryable"}, {"answersLookUps", true}},
        {{"name", "gw-blind"}, {"callbackUrl", std::string(kPublicUrl) + "/webhooks/gw-blind"}}}}};
  write_file(folder + "/judge.json", judge.dump());
  judge_ = std::make_unique<Process>(
      std::vector<std::string>{JUDGE_BINARY, folder + "/judge.json", std::to_string(settings.seed)},
      folder + "/judge.log");
  wait_until("the judge answers", [this] {
    if (!judge_->is_running()) throw std::runtime_error("the judge ended: " + read_file(folder + "/judge.log"));
    return this->judge("GET", "/judge/summary").status == 200;
  });
  proxy_thread_ = std::thread([this] { proxy_loop_.run(); });
}

Fleet::~Fleet() {
  for (auto& daemon : daemons_) daemon.reset();
  judge_.reset();
  sink_.reset();
  proxy_loop_.post([this] {
    for (size_t i = 0; i < kDaemons; i++) {
      redis_proxies_[i].reset();
      postgres_proxies_[i].reset();
    }
    proxy_loop_.stop();
  });
  proxy_thread_.join();
  if (std::getenv("CHAOS_KEEP") == nullptr) std::filesystem::remove_all(folder);
}

void Fleet::start_sink() {
  const std::string files = folder + "/nginx";
  std::filesystem::create_directory(files);
  // As tests/bench/services has it: answers like an SMS API's create-message call.
  write_file(files + "/conf",
             "daemon off; master_process off; pid " + files + "/pid; error_log " + files +
                 "/log warn;\nevents { worker_connections 4096; }\nhttp {\n  access_log off; "
                 "keepalive_requests 1000000; keepalive_timeout 120s; default_type application/json;\n"
                 "  client_body_buffer_size 64k; client_body_temp_path " +
                 files + "/b; proxy_temp_path " + files + "/p; fastcgi_temp_path " + files + "/f;\n  uwsgi_temp_path " +
                 files + "/u; scgi_temp_path " + files +
                 "/s;\n  server { listen 127.0.0.1:" + std::to_string(sink_port_) +
                 " backlog=4096;\n    location / { return 201 "
                 "'{\"sid\":\"SM$request_id\",\"status\":\"queued\",\"error_code\":null}'; }\n  }\n}\n");
  sink_ = std::make_unique<Process>(std::vector<std::string>{"nginx", "-c", files + "/conf"}, files + "/out");
  wait_until("nginx answers", [this] { return http_call("GET", sink_port_, "/").status == 201; });
}

void Fleet::write_config(int daemon) {
  const auto i = static_cast<size_t>(daemon);
  const std::string name = std::to_string(daemon + 1), data = folder + "/" + name;
  std::filesystem::create_directory(data);
  const int postgres_port = settings.has_proxies ? postgres_proxies_[i]->port() : postgres.port();
  const int redis_port = settings.has_proxies ? redis_proxies_[i]->port() : redis.port();
  std::ostringstream text;
  text << "instance: chaos-" << name << "\npostgres: { url: \"postgresql://signet_app@127.0.0.1:" << postgres_port
       << "/signet\" }\nredis: { url: \"redis://127.0.0.1:" << redis_port
       << "/0\", intake: false }\nhttp:\n  admin: { listen: \"127.0.0.1:" << admin_ports_[i]
       << "\" }\n  webhooks: { listen: \"127.0.0.1:" << webhook_ports_[i] << "\", public_url: \"" << kPublicUrl
       << "\" }\n  limits: { read_write_approve_per_min: [600000, 600000, 600000] }\n"
       << "secrets: { key_encryption_key_file: ../keys/kek, daemon_mac_key_file: ../keys/mac,\n"
       << "  index_key_file: ../keys/index, intake_key_file: ../keys/intake.jwk, log_signing_key_file: ../keys/log.pem "
       << "}\nexports: { spool_dir: exports }\napproval: { duplicate_window_h: 0 }\ndelivery:\n"
       << "  loops: 2\n  permit_start_ms: " << settings.permit_start_ms
       << "\n  request_timeout_ms: " << settings.request_timeout_ms << "\n  lease_ms: " << settings.lease_ms
       << "\n  spool_dir: spool\n  retry: { base_ms: 200, factor: 2.0, cap_ms: 5000, max_attempts: 20 }\n"
       << "  in_doubt: { sms: " << settings.sms_in_doubt << ", email: operator, wait_s: 3 }\n"
       << "  quiet_hours: { applies_to: [] }\nproviders:\n";
  for (const char* provider_class : {"idempotent", "queryable", "blind"}) {
    const std::string name = std::string("gw-") + provider_class;
    const std::string url = "http://127.0.0.1:" + std::to_string(judge_port_) + "/gateway/" + name;
    text << "  - { name: " << name << ", adapter: generic_http, in_doubt: " << provider_class << ", url: \"" << url
         << "\",\n      look_up_url: \"" << url << "/look-up\", webhook_secret_file: ../keys/webhook, key_life_s: 86400"
         << (name == "gw-blind" ? ", echo: false" : "") << ",\n      rate_per_s: " << settings.rate_per_s
         << (settings.burst > 0 ? ", burst: " + std::to_string(settings.burst) : "")
         << ", in_flight: " << settings.in_flight << " }\n";
  }
  text << "  - { name: twilio-main, adapter: twilio, base_url: \"http://127.0.0.1:" << judge_port_
       << "\", account_sid: " << kSid
       << ", auth_token_file: ../keys/twilio,\n      from: \"+15005550006\", in_flight: " << settings.in_flight
       << " }\n  - { name: relay, adapter: smtp, url: \"smtp://127.0.0.1:" << smtp_port_
       << "\", starttls: opportunistic,\n      from: \"Clinic <clinic@example.org>\", in_flight: 20 }\n";
  if (settings.has_sink)
    text << "  - { name: sink, adapter: twilio, base_url: \"http://127.0.0.1:" << sink_port_
         << "\", account_sid: " << kSid
         << ", auth_token_file: ../keys/twilio,\n      from: \"+15005550006\", rate_per_s: " << settings.sink_rate_per_s
         << ", in_flight: " << settings.in_flight << " }\n";
  text << "routes:\n";
  auto lanes = sms_lanes;
  if (settings.has_sink) lanes.push_back(sink_lane);
  for (const auto& lane : lanes)
    text << "  - { kind: sms, match: { country: [" << lane.country << "] }, providers: [ { name: " << lane.provider
         << ", weight: 100 }"
         << (settings.has_failover && lane.lane == lanes[0].lane ? ", { name: " + lanes[1].provider + ", weight: 0 }"
                                                                 : "")
         << " ] }\n";
  text << "  - { kind: email, match: {}, providers: [ { name: relay, weight: 100 } ] }\nlog: { level: info }\n";
  write_file(data + "/signetd.yaml", text.str());
  write_file(data + "/clock", std::string(sizeof(int64_t), '\0'));
}

void Fleet::start(int daemon) {
  const auto i = static_cast<size_t>(daemon);
  const std::string data = folder + "/" + std::to_string(daemon + 1);
  daemons_[i] = std::make_unique<Process>(std::vector<std::string>{SIGNET_BINARY, "--config", data + "/signetd.yaml",
                                                                   "--clock-offset", data + "/clock", "run"},
                                          data + "/signetd.log");
  is_up_[i] = true;
  is_started_[i] = true;
}

void Fleet::wait_ready(int daemon, int seconds) {
  wait_until(
      "daemon " + std::to_string(daemon + 1) + " is ready",
      [&] {
        if (const auto gone = unexpected_end(); !gone.empty()) throw std::runtime_error(gone);
        return http_call("GET", admin_port(daemon), "/readyz", "", "", {}, 2).status == 200;
      },
      seconds);
}

void Fleet::kill9(int daemon) {
  const auto i = static_cast<size_t>(daemon);
  is_up_[i] = is_started_[i] = false;
  daemons_[i]->signal(SIGKILL);
  daemons_[i]->wait();
}

int Fleet::terminate(int daemon) {
  const auto i = static_cast<size_t>(daemon);
  is_up_[i] = is_started_[i] = false;
  daemons_[i]->signal(SIGTERM);
  return daemons_[i]->wait();
}

void Fleet::pause(int daemon) {
  is_up_[static_cast<size_t>(daemon)] = false;
  daemons_[static_cast<size_t>(daemon)]->signal(SIGSTOP);
}

void Fleet::resume(int daemon) {
  daemons_[static_cast<size_t>(daemon)]->signal(SIGCONT);
  is_up_[static_cast<size_t>(daemon)] = true;
}

std::string Fleet::unexpected_end() {
  for (size_t i = 0; i < kDaemons; i++)
    if (is_started_[i] && !daemons_[i]->is_running()) {
      is_up_[i] = is_started_[i] = false;
      return "daemon " + std::to_string(i + 1) + " ended with " + std::to_string(daemons_[i]->wait()) + ":\n" +
             last_lines(folder + "/" + std::to_string(i + 1) + "/signetd.log", 2000);
    }
  return "";
}

int64_t Fleet::memory_kb(int daemon) const {
  std::ifstream status("/proc/" + std::to_string(pid(daemon)) + "/status");
  for (std::string word; status >> word;)
    if (word == "VmRSS:") {
      int64_t kb = 0;
      status >> kb;
      return kb;
    }
  return 0;
}

void Fleet::step_clock(int daemon, int64_t by_us) {
  // In place: the daemon has the file mapped.
  std::fstream file(folder + "/" + std::to_string(daemon + 1) + "/clock",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.write(reinterpret_cast<const char*>(&by_us), sizeof by_us);
}

void Fleet::limit_file_size(int daemon, int64_t bytes) {
  rlimit limit{};
  limit.rlim_cur = bytes < 0 ? RLIM_INFINITY : static_cast<rlim_t>(bytes);
  limit.rlim_max = RLIM_INFINITY;
  // One that is gone is found by unexpected_end().
  if (::prlimit(pid(daemon), RLIMIT_FSIZE, &limit, nullptr) != 0 && errno != ESRCH)
    throw std::runtime_error("prlimit was refused");
}

void Fleet::set_mix(const std::string& word, const std::vector<std::string>& away) {
  judge("POST", "/judge/mix", nlohmann::json{{"mix", word}, {"away", away}}.dump());
}

HttpAnswer Fleet::judge(const std::string& method, const std::string& path, const std::string& body) {
  return http_call(method, judge_port_, path, body);
}

double Fleet::metric(int daemon, const std::string& name, const std::string& token) const {
  const auto answer = http_call("GET", admin_port(daemon), "/metrics", "", token);
  const auto at = answer.body.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::atof(answer.body.c_str() + at + name.size() + 2);
}

std::string Fleet::run(const std::vector<std::string>& arguments, int expected_status) {
  std::vector<std::string> command{SIGNET_BINARY, "--config", folder + "/1/signetd.yaml"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return said_by(command, folder + "/run.log", expected_status);
}

std::string Fleet::token(const std::string& role) {
  const std::string email = role + "@clinic.example";
  run({"user", "add", "--name", "Chaos " + role, "--email", email, "--role", role});
  return token_in(run({"token", "create", "--user", email, "--scope", "approve"}));
}

int64_t Fleet::number(const std::string& sql) {
  auto rows = postgres.session("postgres")->run(sql);
  if (!rows) throw std::runtime_error(rows.error().text);
  return rows->number(0, 0);
}

std::vector<SeenRequest> Fleet::seen() const {
  auto out = read_seen(folder + "/seen.jsonl");
  const auto mail = read_seen(folder + "/seen-mail.jsonl");
  out.insert(out.end(), mail.begin(), mail.end());
  return out;
}

std::map<std::string, EffectRule> Fleet::rules() const {
  std::map<std::string, EffectRule> out;
  for (const auto& lane : sms_lanes) out.emplace(lane.provider, lane.rule);
  return out;
}

}  // namespace signet::chaos
