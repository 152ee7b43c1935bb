#include "daemon/sandbox/sandbox.h"

#include <cstdio>

#include "base/signals.h"
#include "daemon/commands/commands.h"

namespace signet {

int run_sandbox(const SandboxOptions& options) {
  auto failed = [](const std::string& text) {
    std::fprintf(stderr, "signetd: %s\n", text.c_str());
    return 1;
  };
  sandbox::Options settings;
  for (const auto& [text, to] :
       {std::pair(&options.http, &settings.http_listen), std::pair(&options.smtp, &settings.smtp_listen)}) {
    auto endpoint = parse_endpoint(*text);
    if (!endpoint) return failed(*text + ": " + endpoint.error().text);
    *to = *endpoint;
  }
  settings.account_sid = options.account_sid;
  settings.journal_path = options.journal;
  if (!options.auth_token_file.empty()) {
    auto token = read_secret_file(options.auth_token_file);
    if (!token) return failed(token.error().text);
    settings.auth_token = std::move(*token);
  }

  Loop loop;
  const Signals signals([&loop](int) { loop.stop(); });
  SystemClock clock;
  SystemRandom random;
  const auto log = make_log(LogLevel::info, LogFormat::automatic);
  auto started = sandbox::Sandbox::start(loop, clock, random, *log, std::move(settings));
  if (!started) return failed(started.error().text);
  std::printf("sandbox: http port %d, smtp port %d\n", (*started)->http_port(), (*started)->smtp_port());
  std::fflush(stdout);
  loop.run();
  std::printf("%s\n", (*started)->summary_json().c_str());
  started->reset();
  return 0;
}

}  // namespace signet
