// The commands of `signetd` besides `run`. Each prints for a person and returns the exit status: 0 done, 1 it could not
// be done (one line on standard error says what to do).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/evidence/sequencer.h"
#include "providers/provider.h"
#include "store/pg_session.h"

namespace signet {

// What main read of the environment; nobody else does.
struct Environment {
  std::string credentials_directory;  // of systemd's LoadCredential=
};

// The configuration, or its faults on standard error. Does not look at the files it names.
std::optional<Config> read_config(const std::string& path, const Environment& environment);
// How the daemon asks PostgreSQL; errors name the configuration key.
Result<PgOptions> postgres_options(const Config& config);
// The same database as another user.
Result<PgOptions> postgres_options(const Config& config, const Config::Postgres::Role& role);
Result<LogKey> make_log_key(const Config& config);  // errors name the configuration key
Result<NoteKey> parse_witness_key(const std::string& vkey);
ProviderSettings provider_settings(const Config::Provider& provider);  // without secrets
// What the adapters say about `providers` and `routes`: unknown adapter, unknown or missing setting, a value it
// refuses.
std::vector<Fault> check_providers(const Config& config);

int check_config(const std::string& path, const Environment& environment);
int keygen(const Config& config);
int migrate_database(const Config& config);
int user_add(const Config& config, const std::string& name, const std::string& email, const std::string& role,
             const std::string& registration);
int user_list(const Config& config);
int user_role(const Config& config, const std::string& email, const std::string& role);
// `password_file`: empty for a line of standard input; never an argument, which others could see.
int user_password(const Config& config, const std::string& email, const std::string& password_file);
int token_create(const Config& config, const std::string& email, const std::vector<std::string>& scopes,
                 std::optional<int> expires_days);
int token_list(const Config& config, const std::string& email);  // empty: everybody's
int token_revoke(const Config& config, const std::string& id);
int key_list(const Config& config, const std::string& email);  // empty: everybody's
int key_enrol(const Config& config, const std::string& email, const std::string& public_key_file);
int key_revoke(const Config& config, const std::string& key_id, const std::string& reason);

struct SendOptions {
  std::string token_file;
  std::string to, kind, body, subject;
  std::string provider;  // empty: whichever the routes choose
  std::string ca_file;   // for an admin listener with a certificate of one's own
};
int send_one(const Config& config, const SendOptions& options);

struct DsnOptions {      // one of the two
  std::string provider;  // of the configuration, whose listener is asked
  std::string url;       // https://signet.example.org/webhooks/relay, where the relay has no configuration
  std::string ca_file;   // likewise
};
// A report on standard input. 0: kept; else a status of sysexits.h, as a relay's pipe takes it: 75 come again, 65 give
// it up.
int take_report(const std::string& config_file, const Environment& environment, const DsnOptions& options);

struct ImportOptions {
  std::string file, token_file;
  std::string ca_file;  // likewise
};
int import_messages(const Config& config, const ImportOptions& options);

struct SandboxOptions {
  std::string http = "127.0.0.1:8425", smtp = "127.0.0.1:2525", smpp = "127.0.0.1:2775";
  std::string journal, account_sid, auth_token_file;
  std::string state;                               // a folder for accounts at every provider; empty: none
  std::string webhooks = "http://127.0.0.1:8421";  // of the daemon that is called back
  std::string mail_account;                        // whose delivery reports the relay sends; empty: none
};
int run_sandbox(const SandboxOptions& options);  // until SIGTERM or SIGINT

struct WitnessOptions {
  std::string listen = "127.0.0.1:8430";
  std::string name, state, key;   // key: empty: in the state folder
  std::vector<std::string> logs;  // vkeys
};
int run_witness(const WitnessOptions& options);  // until SIGTERM or SIGINT

}  // namespace signet
