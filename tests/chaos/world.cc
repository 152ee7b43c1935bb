#include "tests/chaos/world.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/bytes.h"

namespace signet {
namespace {

constexpr char kSid[] = "AC00000000000000000000000000000000";

std::string scratch() {
  char name[] = "/tmp/signet-world.XXXXXX";
  if (!::mkdtemp(name)) throw std::runtime_error("no scratch folder");
  return name;
}

}  // namespace

World::World(WorldOptions options)
    : folder(scratch()), postgres(shared_postgres()), options_(std::move(options)), keys_(test_keys(random_)) {
  // Durable: what is killed here is what a clinic has.
  const auto session = postgres.session("postgres");
  if (!session->run("alter system reset fsync").ok() || !session->run("select pg_reload_conf()").ok())
    throw std::runtime_error("fsync cannot be set");
  postgres.clear();
  admin_port = free_tcp_port();
  webhooks_port = free_tcp_port();
  sandbox_port = free_tcp_port();
  smtp_port = free_tcp_port();
  std::filesystem::create_directory(folder + "/keys");
  write_file(folder + "/keys/kek", to_base64(std::string(32, 'k')));
  write_file(folder + "/keys/mac", to_base64(std::string(32, 'm')));
  write_file(folder + "/keys/index", to_base64(std::string(32, 'i')));
  write_file(folder + "/keys/twilio", "world-token");
  write_config();
  run({"keygen"});
  sandbox_ = std::make_unique<Process>(
      std::vector<std::string>{SIGNET_BINARY, "sandbox", "--http", "127.0.0.1:" + std::to_string(sandbox_port),
                               "--smtp", "127.0.0.1:" + std::to_string(smtp_port), "--journal",
                               folder + "/journal.jsonl", "--account-sid", kSid, "--auth-token-file",
                               folder + "/keys/twilio"},
      folder + "/sandbox.log");
  wait_until("the sandbox answers",
             [this] { return http("GET", sandbox_port, "/sandbox/journal/summary").status == 200; });
}

World::~World() {
  daemon_.reset();
  sandbox_.reset();
  std::filesystem::remove_all(folder);
}

void World::write_config() {
  const std::string text = R"(
instance: world-1
postgres: { url: ")" + postgres.url("signet_app") +
                           R"(" }
redis: { url: ")" + redis.url() +
                           R"(/0", intake: true }
http:
  admin: { listen: "127.0.0.1:)" +
                           std::to_string(admin_port) + R"(" }
  webhooks: { listen: "127.0.0.1:)" +
                           std::to_string(webhooks_port) + R"(", public_url: "http://127.0.0.1:)" +
                           std::to_string(webhooks_port) + R"(" }
secrets: { key_encryption_key_file: keys/kek, daemon_mac_key_file: keys/mac, index_key_file: keys/index,
           intake_key_file: keys/intake.jwk, log_signing_key_file: keys/log.pem }
delivery:
  loops: 2
  permit_start_ms: )" + std::to_string(options_.permit_start_ms) +
                           R"(
  request_timeout_ms: )" + std::to_string(options_.request_timeout_ms) +
                           R"(
  lease_ms: )" + std::to_string(options_.lease_ms) +
                           R"(
  retry: { base_ms: )" + std::to_string(options_.retry_base_ms) +
                           R"(, factor: 2.0, cap_ms: 3000, max_attempts: 8 }
  in_doubt: { sms: )" + options_.in_doubt +
                           R"(, email: )" + options_.in_doubt + R"(, wait_s: )" +
                           std::to_string(options_.in_doubt_wait_s) + R"( }
  quiet_hours: { applies_to: [] }
providers:
  - { name: twilio-main, adapter: twilio, base_url: "http://127.0.0.1:)" +
                           std::to_string(sandbox_port) + R"(", account_sid: )" + kSid +
                           R"(, auth_token_file: keys/twilio, from: "+15005550006",
      rate_per_s: )" + std::to_string(options_.rate_per_s) +
                           R"(, burst: 100, in_flight: )" + std::to_string(options_.in_flight) + R"( }
  - { name: relay, adapter: smtp, url: "smtp://127.0.0.1:)" +
                           std::to_string(smtp_port) +
                           R"(", starttls: opportunistic, from: "Clinic <clinic@example.org>", in_flight: 20 }
routes:
  - { kind: sms, match: {}, providers: [ { name: twilio-main, weight: 100 } ] }
  - { kind: email, match: {}, providers: [ { name: relay, weight: 100 } ] }
log: { level: )" + options_.log_level +
                           R"( }
)" + options_.more;
  write_file(folder + "/signetd.yaml", text);
}

void World::start_daemon(bool wait_ready, const std::vector<std::string>& more_arguments) {
  std::vector<std::string> command{SIGNET_BINARY, "--config", folder + "/signetd.yaml", "run"};
  command.insert(command.end(), more_arguments.begin(), more_arguments.end());
  daemon_ = std::make_unique<Process>(command, folder + "/signetd.log");
  if (wait_ready)
    wait_until("the daemon is ready", [this] {
      if (!daemon_->is_running()) throw std::runtime_error("the daemon ended: " + daemon_log());
      return is_ready();
    });
}

bool World::is_ready() { return http("GET", admin_port, "/readyz").status == 200; }

void World::kill_daemon() {
  daemon_->signal(SIGKILL);
  daemon_->wait();
  // A statement that was on its way is still carried out: permits among them.
  wait_until("the killed daemon's sessions have ended",
             [this] { return count("pg_stat_activity where usename = 'signet_app'") == 0; });
}

int World::stop_daemon() {
  daemon_->signal(SIGTERM);
  return daemon_->wait();
}

std::vector<Uuid> World::insert_sms(int count, int first) {
  auto session = postgres.session();
  ApprovedMessages messages(*session, keys_, clock_, random_);
  std::vector<Uuid> out;
  while (count > 0) {
    std::vector<ApprovedOptions> some;
    for (int i = 0; i < std::min(count, 500); i++)
      some.push_back({sms("+6149157" + std::to_string(first++), "Your SECRETTEXT letter is ready.")});
    count -= static_cast<int>(some.size());
    for (const auto& id : messages.insert(some)) out.push_back(id);
  }
  return out;
}

Uuid World::insert(const Envelope& envelope, const std::string& lane) {
  auto session = postgres.session();
  return ApprovedMessages(*session, keys_, clock_, random_).insert(ApprovedOptions{envelope, lane});
}

int64_t World::count(const std::string& from_and_where) {
  auto rows = postgres.session("postgres")->run("select count(*) from " + from_and_where);
  if (!rows) throw std::runtime_error(rows.error().text);
  return rows->number(0, 0);
}

std::string World::value(const std::string& sql) {
  auto rows = postgres.session("postgres")->run(sql);
  if (!rows) throw std::runtime_error(rows.error().text);
  return rows->size() == 0 || rows->is_null(0, 0) ? "" : rows->text(0, 0);
}

void World::as_superuser(const std::string& script) {
  auto done = postgres.session("postgres")
                  ->script("begin; alter event trigger signet_ddl disable; " + script +
                           "; alter event trigger signet_ddl enable always; commit");
  if (!done) throw std::runtime_error(done.error().text);
}

HttpAnswer World::http(const std::string& method, int port, const std::string& path, const std::string& body,
                       const std::string& token) {
  return http_call(method, port, path, body, token);
}

std::string World::metrics() {
  if (admin_token_.empty()) admin_token_ = token("admin");
  return http("GET", admin_port, "/metrics", "", admin_token_).body;
}
std::string World::sandbox_summary() { return http("GET", sandbox_port, "/sandbox/journal/summary").body; }
int64_t World::sandbox_accepted() { return nlohmann::json::parse(sandbox_summary()).value("accepted", int64_t{-1}); }
std::string World::journal() const { return read_file(folder + "/journal.jsonl"); }
std::string World::daemon_log() const { return read_file(folder + "/signetd.log"); }

std::string World::run(const std::vector<std::string>& arguments, int expected_status) {
  std::vector<std::string> command{SIGNET_BINARY, "--config", folder + "/signetd.yaml"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return said_by(command, folder + "/run.log", expected_status);
}

std::string World::token(const std::string& role) {
  const std::string email = role + "@clinic.example";
  run({"user", "add", "--name", "Test " + role, "--email", email, "--role", role});
  return token_in(run({"token", "create", "--user", email, "--scope", "approve"}));
}

}  // namespace signet
