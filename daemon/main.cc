// `signetd`: reads the command line and the environment, and hands both down.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>

#include "daemon/app.h"
#include "daemon/commands/commands.h"

namespace signet {
namespace {

constexpr int kConfigFault = 78;  // EX_CONFIG of sysexits.h: systemd does not restart on it

// Commands that want the configuration without looking at whether the daemon could run on it.
template <class Command>
int with_config(const std::string& path, const Environment& environment, Command command) {
  const auto config = read_config(path, environment);
  return config ? command(*config) : 1;
}

int run_command(int argc, char** argv, const Environment& environment) {
  CLI::App app{"Signet: delivers approved clinical messages, and can prove it."};
  app.require_subcommand(1);
  std::string config = "/etc/signet/signetd.yaml";
  app.add_option("--config", config, "the configuration file")->capture_default_str();
  app.fallthrough();
  int status = 0;
  const auto command = [&](const char* name, const char* text, auto action) {
    CLI::App* sub = app.add_subcommand(name, text);
    sub->callback([&status, action] { status = action(); });
    return sub;
  };
  const auto configured = [&](auto action) {
    return [&config, &environment, action] { return with_config(config, environment, action); };
  };

  command("run", "deliver, until SIGTERM", [&] {
    const auto loaded = read_config(config, environment);
    return loaded ? run_daemon(*loaded) : kConfigFault;
  });
  command("migrate", "bring the database's schema up to date", configured(migrate_database));
  command("check-config", "every fault in the configuration, one a line",
          [&] { return check_config(config, environment); });
  command("keygen", "make the key files that are missing", configured(keygen));

  CLI::App* user = app.add_subcommand("user", "people");
  user->require_subcommand(1);
  std::string name, email, role, registration;
  CLI::App* add = user->add_subcommand("add", "print the new user's id");
  add->add_option("--name", name)->required();
  add->add_option("--email", email)->required();
  add->add_option("--role", role, "staff, reviewer, doctor, admin, auditor, service")->required();
  add->add_option("--registration", registration, "with the profession's board");
  add->callback([&] {
    status =
        with_config(config, environment, [&](const Config& c) { return user_add(c, name, email, role, registration); });
  });
  user->add_subcommand("list", "all of them")->callback([&] {
    status = with_config(config, environment, [](const Config& c) { return user_list(c); });
  });

  CLI::App* token = app.add_subcommand("token", "bearer tokens");
  token->require_subcommand(1);
  std::string owner;
  std::vector<std::string> scopes;
  std::optional<int> expires;
  CLI::App* create = token->add_subcommand("create", "print a new token, once");
  create->add_option("--user", owner, "the user's e-mail address")->required();
  create->add_option("--scope", scopes, "approve, delivery:write; may be repeated");
  create->add_option("--expires", expires, "days from now; without it, never");
  create->callback([&] {
    status = with_config(config, environment, [&](const Config& c) { return token_create(c, owner, scopes, expires); });
  });

  SendOptions send;
  CLI::App* one = command("send", "one message, for trying out",
                          configured([&send](const Config& c) { return send_one(c, send); }));
  one->add_option("--token-file", send.token_file, "of a reviewer, doctor or admin")->required();
  one->add_option("--to", send.to, "a number with + and country code, or an address")->required();
  one->add_option("--kind", send.kind, "sms or email")->required();
  one->add_option("--body", send.body)->required();
  one->add_option("--subject", send.subject);
  one->add_option("--ca-file", send.ca_file, "who signed the admin listener's certificate");

  SandboxOptions box;
  CLI::App* sandbox = command("sandbox", "a provider to try things against", [&box] { return run_sandbox(box); });
  sandbox->add_option("--http", box.http, "Twilio's API and the page")->capture_default_str();
  sandbox->add_option("--smtp", box.smtp, "a mail relay")->capture_default_str();
  sandbox->add_option("--journal", box.journal, "a file to keep what arrived");
  sandbox->add_option("--account-sid", box.account_sid);
  sandbox->add_option("--auth-token-file", box.auth_token_file);

  command("version", "what this is", [] {
    std::puts("signetd " SIGNET_VERSION);
    return 0;
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return status;
}

}  // namespace
}  // namespace signet

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that went away is an error of the write, not the process's end
  signet::Environment environment;
  if (const char* folder = std::getenv("CREDENTIALS_DIRECTORY")) environment.credentials_directory = folder;
  return signet::run_command(argc, argv, environment);
}
