// Users and tokens, from the command line: for the first administrator, and where there is no console.
#include "store/directory.h"

#include <cstdio>
#include <iostream>

#include "base/clock.h"
#include "base/password.h"
#include "daemon/access/log_in.h"
#include "daemon/access/tokens.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/operator.h"
#include "message/phone.h"
#include "store/messages.h"
#include "store/passwords.h"

namespace signet {
namespace {

constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

struct Desk {  // what each of these commands works with
  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
};

// The enabled user of this e-mail address.
Result<UserRow> known_user(PgTransaction& tx, const std::string& email) {
  auto user = find_user(tx, email);
  if (!user) return user.error();
  if (!*user) return Error{ErrorCode::not_found, "no user has this e-mail address: see `signetd user list`"};
  return std::move(**user);
}

int finish(PgTransaction& tx, const std::vector<Entry>& entries) {
  for (const auto& entry : entries)
    if (auto done = insert_entry(tx, entry); !done) return failed(done.error().text);
  if (auto done = tx.commit(); !done) return failed(done.error().text);
  return 0;
}

Result<Secret> read_password(const std::string& file) {
  if (!file.empty()) return read_secret_file(file);
  std::string line;
  std::getline(std::cin, line);
  return Secret(std::move(line));
}

}  // namespace

int user_add(const Config& config, const std::string& name, const std::string& email, const std::string& role,
             const std::string& registration) {
  const auto parsed = parse_role(role);
  if (!parsed) return failed("--role is none of staff, reviewer, doctor, admin, auditor, service");
  if (name.empty() || !parse_mail_address(email)) return failed("--name is empty, or --email is no e-mail address");
  Desk desk;
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  UserRow user;
  user.id = desk.ids.next();
  user.name = name;
  user.email = email;
  user.registration = registration;
  user.role = *parsed;
  if (auto done = insert_user(tx, user); !done) return failed(done.error().text);
  const int status =
      finish(tx, {operator_entry(desk.ids, desk.clock, {"user_created", "user", user.id, {{"role", role}}})});
  if (status == 0) std::printf("%s\n", user.id.text().c_str());
  return status;
}

int user_list(const Config& config) {
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  Desk desk;
  PgTransaction tx(**session);
  auto users = list_users(tx);
  if (!users) return failed(users.error().text);
  const int status =
      finish(tx, {operator_entry(desk.ids, desk.clock,
                                 {"users_listed", "user", {}, {{"rows", static_cast<int64_t>(users->size())}}})});
  if (status != 0) return status;
  for (const auto& user : *users)
    std::printf("%s  %-8s  %s  %s%s\n", user.id.text().c_str(), std::string(signet::name(user.role)).c_str(),
                user.email.c_str(), user.name.c_str(), user.is_disabled ? "  (disabled)" : "");
  return 0;
}

int user_role(const Config& config, const std::string& email, const std::string& role) {
  const auto parsed = parse_role(role);
  if (!parsed) return failed("--role is none of staff, reviewer, doctor, admin, auditor, service");
  Desk desk;
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto user = known_user(tx, email);
  if (!user) return failed(user.error().text);
  const Role before = user->role;
  if (before == *parsed) return 0;
  auto administrators = lock_administrators(tx);
  if (!administrators) return failed(administrators.error().text);
  if (before == Role::admin && administrators->size() < 2)
    return failed("this is the last administrator: make somebody else one first");
  user->role = *parsed;
  if (auto done = update_user(tx, *user); !done) return failed(done.error().text);
  return finish(tx,
                {operator_entry(
                    desk.ids, desk.clock,
                    {"role_changed", "user", user->id, {{"from", std::string(signet::name(before))}, {"to", role}}})});
}

int user_password(const Config& config, const std::string& email, const std::string& password_file) {
  auto password = read_password(password_file);
  if (!password) return failed(password.error().text);
  if (const auto fault = fault_of_password(password->octets(), email); !fault.empty())
    return failed("the password " + std::string(fault) + ": choose 12 characters or more, like four words");
  Desk desk;
  PasswordHasher hasher(desk.random);
  auto hash = hasher.hash(*password);
  if (!hash) return failed(hash.error().text);
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto user = known_user(tx, email);
  if (!user) return failed(user.error().text);
  if (auto done = set_password(tx, user->id, *hash); !done) return failed(done.error().text);
  auto ended = revoke_sessions(tx, user->id, std::nullopt, desk.clock.wall());
  if (!ended) return failed(ended.error().text);
  return finish(tx, {operator_entry(desk.ids, desk.clock,
                                    {"password_changed",
                                     "user",
                                     user->id,
                                     {{"reset", true}, {"sessionsRevoked", *ended}, {"userId", user->id.text()}}})});
}

int token_create(const Config& config, const std::string& email, const std::vector<std::string>& scopes,
                 std::optional<int> expires_days) {
  for (const auto& scope : scopes)
    if (!is_scope(scope)) return failed("--scope is none of approve, delivery:write, read");
  if (expires_days && (*expires_days < 1 || *expires_days > 3650)) return failed("--expires is not 1 to 3650 days");
  Desk desk;
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto user = known_user(tx, email);
  if (!user) return failed(user.error().text);
  const Secret token = make_token(desk.random);
  TokenRow row;
  row.id = desk.ids.next();
  row.user_id = user->id;
  row.scopes = scopes;
  std::vector<std::pair<std::string, DetailValue>> detail{{"userId", user->id.text()}};
  std::string words;
  for (const auto& scope : scopes) words += (words.empty() ? "" : ",") + scope;
  if (!words.empty()) detail.emplace_back("scopes", words);
  if (expires_days) {
    row.expires_at = WallTime{desk.clock.wall().us + *expires_days * kDayUs};
    detail.emplace_back("expiresAt", rfc3339(*row.expires_at));
  }
  if (auto done = insert_token(tx, row, view(token_digest(token.octets()))); !done) return failed(done.error().text);
  const int status = finish(tx, {operator_entry(desk.ids, desk.clock, {"token_created", "token", row.id, detail})});
  if (status != 0) return status;
  std::fprintf(stderr, "This is the only time the token is shown; only its SHA-256 is kept.\n");
  std::printf("%.*s\n", static_cast<int>(token.octets().size()), token.octets().data());
  return 0;
}

int token_list(const Config& config, const std::string& email) {
  Desk desk;
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  std::optional<Uuid> user_id;
  if (!email.empty()) {
    auto user = known_user(tx, email);
    if (!user) return failed(user.error().text);
    user_id = user->id;
  }
  auto tokens = list_tokens(tx, user_id);
  if (!tokens) return failed(tokens.error().text);
  std::vector<std::pair<std::string, DetailValue>> detail{{"rows", static_cast<int64_t>(tokens->size())}};
  if (user_id) detail.emplace_back("userId", user_id->text());
  const int status = finish(tx, {operator_entry(desk.ids, desk.clock, {"tokens_listed", "token", {}, detail})});
  if (status != 0) return status;
  for (const auto& token : *tokens) {
    std::string scopes;
    for (const auto& scope : token.scopes) scopes += (scopes.empty() ? "" : ",") + scope;
    std::printf("%s  user %s  scopes %s  expires %s%s\n", token.id.text().c_str(), token.user_id.text().c_str(),
                scopes.empty() ? "-" : scopes.c_str(), token.expires_at ? rfc3339(*token.expires_at).c_str() : "never",
                token.is_revoked ? "  (revoked)" : "");
  }
  return 0;
}

int token_revoke(const Config& config, const std::string& id) {
  const auto parsed = parse_uuid(id);
  if (!parsed) return failed("--id is no UUID: see `signetd token list`");
  Desk desk;
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto token = read_token(tx, *parsed);
  if (!token) return failed(token.error().text);
  if (!*token) return failed("there is no token with this id: see `signetd token list`");
  auto revoked = revoke_token(tx, *parsed, desk.clock.wall());
  if (!revoked) return failed(revoked.error().text);
  if (!*revoked) return 0;  // it was already
  return finish(tx, {operator_entry(desk.ids, desk.clock,
                                    {"token_revoked", "token", *parsed, {{"userId", (*token)->user_id.text()}}})});
}

}  // namespace signet
