#include "daemon/sandbox/sandbox.h"

#include <cstdio>

#include "base/signals.h"
#include "daemon/commands/commands.h"
#include "daemon/sandbox/accounts.h"

namespace signet {

namespace {

Result<sandbox::Options> sandbox_options(const SandboxOptions& options, Random& random) {
  sandbox::Options out;
  for (const auto& [text, to] : {std::pair(&options.http, &out.http_listen), std::pair(&options.smtp, &out.smtp_listen),
                                 std::pair(&options.smpp, &out.smpp_listen)}) {
    auto endpoint = parse_endpoint(*text);
    if (!endpoint) return Error{endpoint.error().code, *text + ": " + endpoint.error().text};
    *to = *endpoint;
  }
  out.journal_path = options.journal;
  out.webhooks_url = options.webhooks;
  out.mail_account = options.mail_account;
  if (!options.state.empty()) {
    auto accounts = sandbox::open_accounts(
        options.state, {"http://" + options.http, "smtp://" + options.smtp, "smpp://" + options.smpp}, random);
    if (!accounts) return accounts.error();
    out.accounts = std::move(*accounts);
    if (out.mail_account.empty()) out.mail_account = "relay";
  } else if (!options.account_sid.empty() && !options.auth_token_file.empty()) {
    auto token = read_secret_file(options.auth_token_file);
    if (!token) return token.error();
    out.accounts.push_back(sandbox::twilio_account(options.account_sid, std::move(*token)));
  }
  return out;
}

}  // namespace

int run_sandbox(const SandboxOptions& options) {
  auto failed = [](const std::string& text) {
    std::fprintf(stderr, "signetd: %s\n", text.c_str());
    return 1;
  };
  Loop loop;
  const Signals signals([&loop](int) { loop.stop(); });
  SystemClock clock;
  SystemRandom random;
  auto settings = sandbox_options(options, random);
  if (!settings) return failed(settings.error().text);
  const auto log = make_log(LogLevel::info, LogFormat::automatic);
  auto started = sandbox::Sandbox::start(loop, clock, random, *log, std::move(*settings));
  if (!started) return failed(started.error().text);
  std::printf("sandbox: http port %d, smtp port %d", (*started)->http_port(), (*started)->smtp_port());
  if (const int port = (*started)->smpp_port(); port != 0) std::printf(", smpp port %d", port);
  std::printf("\n");
  if (!options.state.empty())
    std::printf("sandbox: accounts and routes are in %s/providers.yaml\n", options.state.c_str());
  std::fflush(stdout);
  loop.run();
  std::printf("%s\n", (*started)->summary_json().c_str());
  started->reset();
  return 0;
}

}  // namespace signet
