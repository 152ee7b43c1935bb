#include "store/migrate.h"

#include <cstdio>

#include "base/bytes.h"
#include "daemon/commands/commands.h"
#include "daemon/evidence/schema_migrated.h"

namespace signet {
namespace {

// A user name as a URL takes it (RFC 3986 section 3.2.1).
std::string encoded(const std::string& user) {
  std::string out;
  for (const char c : user) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                          c == '-' || c == '.' || c == '~';
    out += is_plain ? std::string(1, c) : '%' + to_hex(std::string_view(&c, 1));
  }
  return out;
}

std::string with_user(const std::string& url, const std::string& user) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const size_t begin = scheme + 3;
  const size_t end = std::min(url.find_first_of("/?", begin), url.size());
  const size_t at = url.rfind('@', end);
  const size_t host = at == std::string::npos || at < begin ? begin : at + 1;
  return url.substr(0, begin) + encoded(user) + '@' + url.substr(host);
}

Result<Secret> password(const std::string& path, const std::string& key) {
  if (path.empty()) return Secret();
  auto secret = read_secret_file(path);
  if (!secret) return Error{secret.error().code, key + ": " + secret.error().text};
  return secret;
}

}  // namespace

Result<PgOptions> postgres_options(const Config& config) {
  auto secret = password(config.postgres.password_file, "postgres.password_file");
  if (!secret) return secret.error();
  PgOptions options;
  options.url = config.postgres.url;
  options.password = std::move(*secret);
  return options;
}

Result<PgOptions> postgres_options(const Config& config, const Config::Postgres::Role& role) {
  auto secret = password(role.password_file, "postgres.roles." + role.user + ".password_file");
  if (!secret) return secret.error();
  PgOptions options;
  options.url = with_user(config.postgres.url, role.user);
  options.password = std::move(*secret);
  return options;
}

int migrate_database(const Config& config) {
  auto failed = [](const Error& error) {
    std::fprintf(stderr, "signetd: %s\n", error.text.c_str());
    return 1;
  };
  const auto& roles = config.postgres.roles;
  std::vector<LoginPassword> passwords;
  for (const auto& [login, path] : {std::pair(std::string("signet_app"), config.postgres.password_file),
                                    std::pair(roles.sequencer.user, roles.sequencer.password_file),
                                    std::pair(roles.verify.user, roles.verify.password_file),
                                    std::pair(roles.purge.user, roles.purge.password_file)}) {
    auto secret = password(path, login);
    if (!secret) return failed(secret.error());
    passwords.push_back({login, std::move(*secret)});
  }
  auto options = postgres_options(config, roles.migrate);
  if (!options) return failed(options.error());
  auto session = PgSession::open(*options);
  if (!session) return failed(session.error());
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  auto change = migrate(**session, passwords,
                        [&](const SchemaChange& done) { return schema_migrated(done, config.instance, ids, clock); });
  if (!change) return failed(change.error());
  for (const auto& name : change->applied) std::printf("applied %s\n", name.c_str());
  if (change->partitions > 0) std::printf("made %d partitions\n", change->partitions);
  if (change->applied.empty() && change->partitions == 0) std::printf("nothing to apply: the database is up to date\n");
  if (!change->has_guards)
    std::printf("without event triggers: %s is no superuser, so the tables' owner could loosen their guards\n",
                roles.migrate.user.c_str());
  return 0;
}

}  // namespace signet
