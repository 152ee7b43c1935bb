// Each provider tried without an account: `signetd sandbox --state`, its providers.yaml taken over, `signetd send`.
#include <catch2/catch.hpp>

#include "daemon/sandbox/accounts.h"
#include "tests/chaos/world.h"

using namespace signet;

TEST_CASE("signetd send --provider NAME: by each provider that the sandbox plays, a message ends delivered") {
  World world;
  const auto at = [](int port) { return "127.0.0.1:" + std::to_string(port); };
  const int http = free_tcp_port(), smtp = free_tcp_port(), smpp = free_tcp_port();
  const std::string box = world.folder + "/box", config = world.folder + "/signetd.yaml";
  Process sandbox({SIGNET_BINARY, "sandbox", "--state", box, "--http", at(http), "--smtp", at(smtp), "--smpp", at(smpp),
                   "--webhooks", "http://" + at(world.webhooks_port)},
                  world.folder + "/box.log");
  wait_until("the sandbox answers", [&] { return world.http("GET", http, "/sandbox/journal/summary").status == 200; });
  const std::string text = read_file(config);
  const size_t begin = text.find("providers:"), end = text.find("log: ");
  write_file(config, text.substr(0, begin) + read_file(box + "/providers.yaml") + text.substr(end));
  world.start_daemon();
  write_file(world.folder + "/token", world.token("admin"));

  SystemRandom random;
  const auto accounts = sandbox::open_accounts(world.folder + "/names", {}, random).value();
  for (const auto& account : accounts) {
    INFO(account.settings.name);
    const bool is_sms = make_provider(account.settings).value()->can_send(Kind::sms);
    std::vector<std::string> command{"send",
                                     "--token-file",
                                     world.folder + "/token",
                                     "--provider",
                                     account.settings.name,
                                     "--body",
                                     "By " + account.settings.name};
    for (const char* word : is_sms ? std::vector{"--kind", "sms", "--to", "+61491570156"}
                                   : std::vector{"--kind", "email", "--to", "anna@example.org", "--subject", "Hello"})
      command.emplace_back(word);
    (void)world.run(command);
  }
  const auto count = static_cast<int64_t>(accounts.size());
  INFO(world.daemon_log());
  wait_until(
      "all are delivered", [&] { return world.count("message where status = 6") == count; }, 60);
  CHECK(world.count("attempt_start") == count);
  for (const auto& account : accounts)
    CHECK(world.count("attempt_start where provider = '" + account.settings.name + "'") == 1);

  // Who answers STOP gets no more.
  const std::vector<std::string> to_stopper{
      "send", "--token-file", world.folder + "/token", "--provider", "twilio", "--kind",
      "sms",  "--to",         "+61491570012",          "--body",     "Hello"};
  (void)world.run(to_stopper);
  wait_until("its STOP is recorded", [&] { return world.count("suppressions where reason = 'stop'") == 1; });
  CHECK_THAT(world.run(to_stopper, 1), Catch::Contains("is suppressed for"));
  CHECK(world.count("attempt_start") == count + 1);
  CHECK(world.stop_daemon() == 0);
  (void)world.run({"verify"});
}

TEST_CASE("signetd send --provider: a provider without a route of its own is told how to get one") {
  World world;
  write_file(world.folder + "/token", "none");
  const std::string said = world.run({"send", "--token-file", world.folder + "/token", "--provider", "relay", "--kind",
                                      "email", "--to", "anna@example.org", "--body", "x"},
                                     1);
  CHECK(said.find("match: { tag: [relay] }") != std::string::npos);
}
