// Users and tokens, from the command line: for the first administrator, and where there is no console. Each leaves its
// event, by the daemon's instance, since the operating system's user is not one of ours.
#include "store/directory.h"

#include <cstdio>

#include "audit/event.h"
#include "base/clock.h"
#include "daemon/access/tokens.h"
#include "daemon/api/events.h"
#include "daemon/commands/commands.h"
#include "message/phone.h"
#include "store/messages.h"
#include "store/migrate.h"

namespace signet {
namespace {

constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;
constexpr const char* kScopes[] = {"approve", "delivery:write"};

int failed(const std::string& text) {
  std::fprintf(stderr, "signetd: %s\n", text.c_str());
  return 1;
}

Result<std::unique_ptr<PgSession>> open(const Config& config) {
  auto options = postgres_options(config);
  if (!options) return options.error();
  auto session = PgSession::open(*options);
  if (!session)
    return Error{session.error().code, session.error().text + "; a new database needs `signetd migrate` first"};
  auto schema = check_schema(**session);
  if (!schema) return schema.error();
  return session;
}

Entry event_of(const Config& config, IdSource& ids, const Clock& clock, std::string action, std::string type,
               const Uuid& id, std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event;
  event.id = ids.next();
  event.at = clock.wall();
  event.actor.id = config.instance;
  event.actor.role = "command";
  event.action = std::move(action);
  event.object.type = std::move(type);
  event.object.id = id.text();
  event.detail = std::move(detail);
  return api::make_entry(event, id);
}

}  // namespace

int user_add(const Config& config, const std::string& name, const std::string& email, const std::string& role,
             const std::string& registration) {
  const auto parsed = parse_role(role);
  if (!parsed) return failed("--role is none of staff, reviewer, doctor, admin, auditor, service");
  if (name.empty() || !parse_mail_address(email)) return failed("--name is empty, or --email is no e-mail address");
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  auto session = open(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  UserRow user;
  user.id = ids.next();
  user.name = name;
  user.email = email;
  user.registration = registration;
  user.role = *parsed;
  if (auto done = insert_user(tx, user); !done) return failed(done.error().text);
  const Entry entry = event_of(config, ids, clock, "user_created", "user", user.id, {{"role", role}});
  if (auto done = insert_entry(tx, entry); !done) return failed(done.error().text);
  if (auto done = tx.commit(); !done) return failed(done.error().text);
  std::printf("%s\n", user.id.text().c_str());
  return 0;
}

int user_list(const Config& config) {
  auto session = open(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto users = list_users(tx);
  if (!users) return failed(users.error().text);
  for (const auto& user : *users)
    std::printf("%s  %-8s  %s  %s%s\n", user.id.text().c_str(), std::string(signet::name(user.role)).c_str(),
                user.email.c_str(), user.name.c_str(), user.is_disabled ? "  (disabled)" : "");
  return 0;
}

int token_create(const Config& config, const std::string& email, const std::vector<std::string>& scopes,
                 std::optional<int> expires_days) {
  for (const auto& scope : scopes) {
    bool is_known = false;
    for (const char* known : kScopes) is_known = is_known || scope == known;
    if (!is_known) return failed("--scope is neither approve nor delivery:write");
  }
  if (expires_days && (*expires_days < 1 || *expires_days > 3650)) return failed("--expires is not 1 to 3650 days");
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  auto session = open(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto user = find_user(tx, email);
  if (!user) return failed(user.error().text);
  if (!*user) return failed("no user has this e-mail address: see `signetd user list`");
  const Secret token = make_token(random);
  TokenRow row;
  row.id = ids.next();
  row.user_id = (*user)->id;
  row.scopes = scopes;
  if (expires_days) row.expires_at = WallTime{clock.wall().us + *expires_days * kDayUs};
  if (auto done = insert_token(tx, row, view(token_digest(token.octets()))); !done) return failed(done.error().text);
  const Entry entry = event_of(config, ids, clock, "token_created", "token", row.id, {{"userId", (*user)->id.text()}});
  if (auto done = insert_entry(tx, entry); !done) return failed(done.error().text);
  if (auto done = tx.commit(); !done) return failed(done.error().text);
  std::fprintf(stderr, "This is the only time the token is shown; only its SHA-256 is kept.\n");
  std::printf("%.*s\n", static_cast<int>(token.octets().size()), token.octets().data());
  return 0;
}

}  // namespace signet
