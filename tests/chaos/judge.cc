// The judge as a program of its own: judge SETTINGS.json SEED. Never killed by the nemesis; ends with SIGTERM.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/signals.h"
#include "daemon/sandbox/smtp_sandbox.h"
#include "tests/chaos/judge_server.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

int run(const std::string& file, uint64_t seed) {
  // A provider has machines of its own: here it comes before the daemons, where root may say so.
  (void)::setpriority(PRIO_PROCESS, 0, -10);
  const auto json = nlohmann::json::parse(std::ifstream(file));
  chaos::JudgeSettings settings;
  settings.http_port = json.at("httpPort");
  settings.smtp_port = json.at("smtpPort");
  settings.journal_file = json.at("journal");
  settings.smtp_journal_file = json.at("smtpJournal");
  settings.mix = json.value("mix", settings.mix);
  settings.account_sid = json.at("accountSid");
  settings.auth_token = json.at("authToken");
  settings.webhook_ports = json.at("webhookPorts").get<std::vector<int>>();
  for (const auto& one : json.value("gateways", nlohmann::json::array()))
    settings.gateways.push_back({one.at("name"), one.value("knowsKeys", false), one.value("answersLookUps", false),
                                 one.value("callbackUrl", "")});
  settings.webhook_key = json.value("webhookKey", "");
  Loop loop;
  const Signals signals([&loop](int) { loop.stop(); });
  const SystemClock clock;
  SeededRandom random(seed);
  const auto log = make_log(LogLevel::warn, LogFormat::text);
  chaos::JudgeServer judge(loop, clock, random, *log, settings);
  auto mail_journal = sandbox::Journal::open(clock, settings.smtp_journal_file, true);
  if (!mail_journal) throw std::runtime_error(mail_journal.error().text);
  sandbox::SmtpOptions mail;
  mail.listen = {"127.0.0.1", settings.smtp_port};
  // On a loop of its own, which waits for its journal's disk.
  Loop mail_loop;
  SeededRandom mail_random(seed + 1);
  auto smtp = sandbox::SmtpSandbox::start(mail_loop, clock, mail_random, **mail_journal, std::move(mail));
  if (!smtp) throw std::runtime_error(smtp.error().text);
  std::printf("judge: ready\n");
  std::fflush(stdout);
  std::thread mail_thread([&mail_loop] { mail_loop.run(); });
  loop.run();
  loop.on_round({});
  mail_loop.stop();
  mail_thread.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: judge SETTINGS.json SEED\n");
    return 2;
  }
  try {
    return run(argv[1], std::strtoull(argv[2], nullptr, 10));
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "judge: %s\n", fault.what());
    return 1;
  }
}
