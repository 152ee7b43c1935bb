// The real thing in small: PostgreSQL, Redis, the sandbox and a daemon, each a process of its own on loopback.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/keyring.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/http_call.h"
#include "tests/fakes/postgres_server.h"
#include "tests/fakes/process.h"
#include "tests/fakes/redis_server.h"

namespace signet {

struct WorldOptions {
  int in_flight = 64;
  int permit_start_ms = 2000;
  int request_timeout_ms = 3000;
  int retry_base_ms = 50;
  int lease_ms = 4000;
  double rate_per_s = 0;
  std::string in_doubt = "operator";
  int in_doubt_wait_s = 300;
  std::string log_level = "info";
  std::string more = {};  // further keys of the configuration, as they stand in the file
};

class World {
 public:
  explicit World(WorldOptions options = {});
  ~World();

  void start_daemon(bool wait_ready = true, const std::vector<std::string>& more_arguments = {});
  void kill_daemon();  // SIGKILL; returns when PostgreSQL has ended what it had been sent, too
  int stop_daemon();   // SIGTERM; the exit status
  Process& daemon() { return *daemon_; }
  bool is_ready();

  std::vector<Uuid> insert_sms(int count, int first = 2000);  // to +614915 7xxxx, ending in first...
  Uuid insert(const Envelope& envelope, const std::string& lane);
  int64_t count(const std::string& from_and_where);  // select count(*) from ..., as superuser
  std::string value(const std::string& sql);
  void as_superuser(const std::string& script);

  HttpAnswer http(const std::string& method, int port, const std::string& path, const std::string& body = "",
                  const std::string& token = "");
  std::string metrics();
  std::string sandbox_summary();
  int64_t sandbox_accepted();
  std::string journal() const;  // the sandbox's file
  std::string daemon_log() const;
  // A user of that role and a token, through the command line.
  std::string token(const std::string& role);
  std::string run(const std::vector<std::string>& arguments, int expected_status = 0);

  int admin_port = 0, webhooks_port = 0, sandbox_port = 0, smtp_port = 0;
  std::string folder;
  PostgresServer& postgres;
  test::RedisServer redis;

 private:
  void write_config();
  WorldOptions options_;
  SystemClock clock_;
  SystemRandom random_;
  Keyring keys_;
  std::string admin_token_;
  std::unique_ptr<Process> sandbox_, daemon_;
};

}  // namespace signet
