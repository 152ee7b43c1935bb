// `signetd`: reads the command line and the environment, and hands both down.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/crash_point.h"
#include "daemon/app.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/verify.h"
#include "daemon/commands/verify_bundle.h"

namespace signet {
namespace {

constexpr int kConfigFault = 78;  // EX_CONFIG of sysexits.h: systemd does not restart on it

// Commands that want the configuration without looking at whether the daemon could run on it.
template <class Command>
int with_config(const std::string& path, const Environment& environment, Command command) {
  const auto config = read_config(path, environment);
  return config ? command(*config) : 1;
}

struct DirectoryWords {  // of the commands about users, tokens and keys
  std::string name, email, role, registration, password_file, id, public_key_file, reason;
  std::vector<std::string> scopes;
  std::optional<int> expires;
};

template <class With>  // what makes a callback of (configuration, words)
void add_users(CLI::App& app, DirectoryWords& words, With with) {
  using Words = const DirectoryWords&;
  const char* const roles = "staff, reviewer, doctor, admin, auditor, service";
  CLI::App* user = app.add_subcommand("user", "people");
  user->require_subcommand(1);
  CLI::App* add = user->add_subcommand("add", "print the new user's id");
  add->add_option("--name", words.name)->required();
  add->add_option("--email", words.email)->required();
  add->add_option("--role", words.role, roles)->required();
  add->add_option("--registration", words.registration, "with the profession's board");
  add->callback(with([](const Config& c, Words w) { return user_add(c, w.name, w.email, w.role, w.registration); }));
  user->add_subcommand("list", "all of them")->callback(with([](const Config& c, Words) { return user_list(c); }));
  CLI::App* role = user->add_subcommand("role", "give another role");
  role->add_option("--email", words.email)->required();
  role->add_option("--role", words.role, roles)->required();
  role->callback(with([](const Config& c, Words w) { return user_role(c, w.email, w.role); }));
  CLI::App* password = user->add_subcommand("password", "set the password, and end the user's sessions");
  password->add_option("--email", words.email)->required();
  password->add_option("--password-file", words.password_file, "without it, a line of standard input");
  password->callback(with([](const Config& c, Words w) { return user_password(c, w.email, w.password_file); }));
}

template <class With>
void add_tokens(CLI::App& app, DirectoryWords& words, With with) {
  using Words = const DirectoryWords&;
  CLI::App* token = app.add_subcommand("token", "bearer tokens");
  token->require_subcommand(1);
  CLI::App* create = token->add_subcommand("create", "print a new token, once");
  create->add_option("--user", words.email, "the user's e-mail address")->required();
  create->add_option("--scope", words.scopes, "approve, delivery:write, read; may be repeated");
  create->add_option("--expires", words.expires, "days from now; without it, never");
  create->callback(with([](const Config& c, Words w) { return token_create(c, w.email, w.scopes, w.expires); }));
  CLI::App* list = token->add_subcommand("list", "all of them, never the tokens themselves");
  list->add_option("--user", words.email, "of one user, by e-mail address");
  list->callback(with([](const Config& c, Words w) { return token_list(c, w.email); }));
  CLI::App* revoke = token->add_subcommand("revoke", "end one");
  revoke->add_option("--id", words.id, "as `token list` shows it")->required();
  revoke->callback(with([](const Config& c, Words w) { return token_revoke(c, w.id); }));
}

template <class With>
void add_keys(CLI::App& app, DirectoryWords& words, With with) {
  using Words = const DirectoryWords&;
  CLI::App* key = app.add_subcommand("key", "keys that people sign approvals with");
  key->require_subcommand(1);
  CLI::App* list = key->add_subcommand("list", "all of them, ended ones too");
  list->add_option("--user", words.email, "of one user, by e-mail address");
  list->callback(with([](const Config& c, Words w) { return key_list(c, w.email); }));
  CLI::App* enrol = key->add_subcommand("enrol", "a user's own; print its id");
  enrol->add_option("--user", words.email, "the user's e-mail address")->required();
  enrol->add_option("--public-key", words.public_key_file, "Ed25519 or P-256: PEM, or SubjectPublicKeyInfo in DER")
      ->required();
  enrol->callback(with([](const Config& c, Words w) { return key_enrol(c, w.email, w.public_key_file); }));
  CLI::App* revoke = key->add_subcommand("revoke", "what it signs from now on counts no more");
  revoke->add_option("--key", words.id, "as `key list` shows it")->required();
  revoke->add_option("--reason", words.reason)
      ->required()
      ->check(CLI::IsMember({"lost", "compromised", "superseded", "left", "other"}));
  revoke->callback(with([](const Config& c, Words w) { return key_revoke(c, w.id, w.reason); }));
}

#ifdef SIGNET_HOOKS
// For tests (tests/chaos), and not in what is shipped. Not told by --help.
void add_hooks(CLI::App& app, const std::atomic<int64_t>*& clock_offset_us) {
  const auto must = [](const auto& done) {
    if (!done) throw CLI::ValidationError(done.error().text);
  };
  app.add_option_function<std::string>("--crash-at", [must](const std::string& where) { must(arm_crash(where)); })
      ->group("");
  app.add_option_function<std::string>("--clock-offset",
                                       [must, &clock_offset_us](const std::string& file) {
                                         const auto mapped = map_clock_offset(file);
                                         must(mapped);
                                         clock_offset_us = *mapped;
                                       })
      ->group("");
  app.add_subcommand("crash-points", "every NAME of --crash-at NAME[:N]")->group("")->callback([] {
    for (const auto& point : crash_points())
      std::printf("%.*s\n", static_cast<int>(point.name.size()), point.name.data());
  });
}
#endif

int run_command(int argc, char** argv, const Environment& environment) {
  CLI::App app{"Signet: delivers approved clinical messages, and can prove it."};
  app.require_subcommand(1);
  std::string config = "/etc/signet/signetd.yaml";
  app.add_option("--config", config, "the configuration file")->capture_default_str();
  app.fallthrough();
  int status = 0;
  const std::atomic<int64_t>* clock_offset_us = nullptr;
#ifdef SIGNET_HOOKS
  add_hooks(app, clock_offset_us);
#endif
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
    return loaded ? run_daemon(*loaded, SystemClock(clock_offset_us)) : kConfigFault;
  });
  command("migrate", "bring the database's schema up to date", configured(migrate_database));
  command("check-config", "every fault in the configuration, one a line",
          [&] { return check_config(config, environment); });
  command("keygen", "make the key files that are missing", configured(keygen));

  DirectoryWords words;
  const auto with = [&](auto action) {
    return [&config, &environment, &words, &status, action] {
      status = with_config(config, environment, [&](const Config& c) { return action(c, words); });
    };
  };
  add_users(app, words, with);
  add_tokens(app, words, with);
  add_keys(app, words, with);

  SendOptions send;
  CLI::App* one = command("send", "one message, for trying out",
                          configured([&send](const Config& c) { return send_one(c, send); }));
  one->add_option("--token-file", send.token_file, "of a reviewer, doctor or admin")->required();
  one->add_option("--to", send.to, "a number with + and country code, or an address")->required();
  one->add_option("--kind", send.kind, "sms or email")->required();
  one->add_option("--body", send.body)->required();
  one->add_option("--subject", send.subject);
  one->add_option("--provider", send.provider, "by this one: a route with a tag of its own leads to it alone");
  one->add_option("--ca-file", send.ca_file, "who signed the admin listener's certificate");

  DsnOptions report;
  CLI::App* dsn = command("dsn", "a delivery report or a complaint on standard input, as a mail relay pipes it in",
                          [&] { return take_report(config, environment, report); });
  CLI::Option_group* to = dsn->add_option_group("to");
  to->add_option("--provider", report.provider, "whose mail it is about: a name of `providers` in the configuration");
  to->add_option("--url", report.url, "its address at the webhook listener, without a configuration");
  to->require_option(1);
  dsn->add_option("--ca-file", report.ca_file, "who signed the webhook listener's certificate");

  ImportOptions lines;
  CLI::App* import = command("import", "messages of a file, a JSON object a line",
                             configured([&lines](const Config& c) { return import_messages(c, lines); }));
  import->add_option("file", lines.file, "each line a message as POST /api/messages takes it")->required();
  import->add_option("--token-file", lines.token_file, "of who may draft; of a service for approved messages")
      ->required();
  import->add_option("--ca-file", lines.ca_file, "who signed the admin listener's certificate");

  SandboxOptions box;
  CLI::App* sandbox = command("sandbox", "every provider, to try things against", [&box] { return run_sandbox(box); });
  sandbox->add_option("--http", box.http, "the providers' APIs, and the page")->capture_default_str();
  sandbox->add_option("--smtp", box.smtp, "a mail relay")->capture_default_str();
  sandbox->add_option("--smpp", box.smpp, "an SMSC")->capture_default_str();
  sandbox->add_option("--state", box.state, "a folder of its own: accounts at every provider, and providers.yaml");
  sandbox->add_option("--webhooks", box.webhooks, "http.webhooks.public_url of who is called back")
      ->capture_default_str();
  sandbox->add_option("--mail-account", box.mail_account, "the provider whose delivery reports the relay sends");
  sandbox->add_option("--journal", box.journal, "a file to keep what arrived");
  sandbox->add_option("--account-sid", box.account_sid, "of Twilio, instead of --state");
  sandbox->add_option("--auth-token-file", box.auth_token_file, "likewise");

  VerifyOptions log;
  VerifyBundleOptions bundle;
  bool is_json = false;
  CLI::App* verify =
      command("verify",
              "the log, with all that it names; or a bundle of evidence, offline; exit status 1: it does "
              "not verify, 2: could not",
              [&] {
                log.is_json = bundle.is_json = is_json;
                if (!bundle.bundle.empty()) return verify_bundle(bundle);
                const auto loaded = read_config(config, environment);
                return loaded ? verify_stored_log(*loaded, log) : 2;
              });
  CLI::Option* zip = verify->add_option("bundle", bundle.bundle, "the zip; without it, the log in PostgreSQL");
  CLI::Option* from = verify->add_option("--from", log.from, "of the log: the place to begin at");
  from->check(CLI::NonNegativeNumber)->excludes(zip);
  verify->add_option("--older", bundle.older, "an older bundle, or a checkpoint, that its log must extend")->needs(zip);
  verify->add_option("--log-key", bundle.log_key, "the log's key as you know it: the line that `signetd keygen` prints")
      ->needs(zip);
  verify->add_option("--witness-key", bundle.witness_keys, "who must have cosigned; may be repeated")->needs(zip);
  verify->add_option("--tsa-ca", bundle.tsa_ca, "PEM: who may have made the time stamps")->needs(zip);
  verify->add_flag("--json", is_json, "one JSON object");

  WitnessOptions cosigning;
  CLI::App* witness = command("witness", "cosign the checkpoints of logs, on another host than theirs",
                              [&cosigning] { return run_witness(cosigning); });
  witness->add_option("--name", cosigning.name, "its name in cosignatures, for ever: example.org/witness-1")
      ->required();
  witness->add_option("--state", cosigning.state, "a folder of its own: what it signed last")->required();
  witness
      ->add_option("--log", cosigning.logs, "whose checkpoints: the line that `signetd keygen` prints; may be repeated")
      ->required();
  witness->add_option("--listen", cosigning.listen)->capture_default_str();
  witness->add_option("--key", cosigning.key, "Ed25519, PEM; without it key.pem in the state folder, made at first");

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
