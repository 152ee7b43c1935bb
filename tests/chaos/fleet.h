// Three daemons on one PostgreSQL, one Redis and one judge, each a process on loopback; between each daemon and its two
// servers a proxy. Not thread-safe but where it is said.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "store/keyring.h"
#include "tests/chaos/oracle.h"
#include "tests/chaos/proxy.h"
#include "tests/fakes/http_call.h"
#include "tests/fakes/postgres_server.h"
#include "tests/fakes/process.h"
#include "tests/fakes/redis_server.h"

namespace signet::chaos {

inline constexpr int kDaemons = 3;

struct FleetSettings {
  uint64_t seed = 1;
  std::string mix = "usual";  // of the judge (tests/chaos/conduct.h)
  int in_flight = 64;
  double rate_per_s = 0;  // of each gateway
  int burst = 0;
  int permit_start_ms = 1000;
  int request_timeout_ms = 3000;
  int lease_ms = 2000;
  std::string sms_in_doubt = "resend";
  bool has_proxies = true;
  bool has_sink = false;  // nginx as one more provider, which takes everything and remembers nothing
  double sink_rate_per_s = 0;
  bool has_failover = false;  // the first lane's messages may go by the second's provider, by weight 0
};

struct Lane {  // a class of providers that a message can be sent to
  std::string lane, provider, country;
  EffectRule rule;
};

struct Tokens {  // of one who drafts, sends directly and resolves, and of one who operates
  std::string reviewer, admin;
};

class Fleet {
 public:
  explicit Fleet(FleetSettings settings);  // servers and judge run when it returns, no daemon does. Throws
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void start(int daemon);  // does not wait
  void wait_ready(int daemon, int seconds = 60);
  void kill9(int daemon);
  int terminate(int daemon);  // SIGTERM; the exit status
  void pause(int daemon);     // SIGSTOP
  void resume(int daemon);
  // Nobody killed it, and it is gone: its log's last lines. Empty: all are as they should be.
  std::string unexpected_end();
  bool is_up(int daemon) const { return is_up_[static_cast<size_t>(daemon)]; }  // any thread: started, not paused
  pid_t pid(int daemon) const { return daemons_[static_cast<size_t>(daemon)]->pid(); }
  int admin_port(int daemon) const { return admin_ports_[static_cast<size_t>(daemon)]; }
  int64_t memory_kb(int daemon) const;              // resident, now
  void step_clock(int daemon, int64_t by_us);       // its wall clock against ours, from now on; 0: back
  void limit_file_size(int daemon, int64_t bytes);  // RLIMIT_FSIZE of the running process; -1: none

  Proxy* redis_proxy(int daemon) { return redis_proxies_[static_cast<size_t>(daemon)].get(); }
  Proxy* postgres_proxy(int daemon) { return postgres_proxies_[static_cast<size_t>(daemon)].get(); }
  // `away`: gateways that answer 503, and take nothing.
  void set_mix(const std::string& word, const std::vector<std::string>& away = {});

  std::string token(const std::string& role);  // of a user of that role; the first daemon must run
  HttpAnswer judge(const std::string& method, const std::string& path, const std::string& body = "");
  // The value of a metric without labels at that daemon; -1 if it is not told. `token`: an administrator's.
  double metric(int daemon, const std::string& name, const std::string& token) const;
  std::string run(const std::vector<std::string>& arguments, int expected_status = 0);
  int64_t number(const std::string& sql);  // as superuser, over a session of its own
  std::vector<SeenRequest> seen() const;   // by the judge, HTTP and mail
  std::map<std::string, EffectRule> rules() const;

  const FleetSettings settings;
  const std::string folder;
  const std::vector<Lane> sms_lanes;
  const Lane sink_lane;  // with has_sink
  SystemClock clock;
  SystemRandom random;
  const Keyring keys;
  PostgresServer postgres;
  test::RedisServer redis;

 private:
  void write_config(int daemon);
  void start_sink();
  int judge_port_ = 0, smtp_port_ = 0, sink_port_ = 0;
  std::array<int, kDaemons> admin_ports_{}, webhook_ports_{};
  std::array<std::unique_ptr<Process>, kDaemons> daemons_;
  std::array<std::atomic<bool>, kDaemons> is_up_{};
  std::array<bool, kDaemons> is_started_{};
  std::unique_ptr<Process> judge_, sink_;
  Loop proxy_loop_;
  std::array<std::unique_ptr<Proxy>, kDaemons> redis_proxies_, postgres_proxies_;
  std::thread proxy_thread_;
};

}  // namespace signet::chaos
