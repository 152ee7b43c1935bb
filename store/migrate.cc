#include "store/migrate.h"

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

constexpr char kLock[] = "select pg_advisory_lock(7460916)";  // one migrator at a time
constexpr const char* kLogins[] = {"signet_app", "signet_sequencer", "signet_verify", "signet_purge"};

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + '\'';
}

Result<void> make_logins(PgSession& session, const std::vector<LoginPassword>& passwords) {
  for (const char* login : kLogins) {
    auto done = session.script(std::string("do $$ begin create role ") + login +
                               " login; exception when duplicate_object then null; end $$");
    if (!done) return done;
  }
  for (const auto& [login, password] : passwords) {
    if (password.is_empty()) continue;
    // ALTER ROLE takes no parameters; a backslash would change the literal's meaning, so it is refused.
    if (password.octets().find('\\') != std::string_view::npos)
      return Error{ErrorCode::invalid, "the password of " + login + " holds a backslash: choose one without"};
    auto done =
        session.script("set log_statement = 'none'; alter role " + login + " password " + quoted(password.octets()));
    if (!done) return done;
  }
  return {};
}

Result<void> apply(PgSession& session, const Migration& migration, const std::string& digest) {
  auto begun = session.script("begin");
  if (!begun) return begun;
  auto done = session.script(std::string(migration.sql));
  if (done) {
    auto noted = session.run("insert into schema_migration (name, sha256) values ($1, $2)",
                             {std::string(migration.name), PgValue::octets(digest)});
    if (!noted) done = noted.error();
  }
  if (!done) {
    (void)session.script("rollback");
    return Error{done.error().code, "migration " + std::string(migration.name) + ": " + done.error().text};
  }
  return session.script("commit");
}

}  // namespace

Result<std::vector<std::string>> migrate(PgSession& session, const std::vector<LoginPassword>& passwords) {
  // Waiting for another migrator may take as long as its work.
  auto locked = session.script(std::string("set statement_timeout = 0; set client_min_messages = error; ") + kLock);
  if (!locked) return locked.error();
  auto logins = make_logins(session, passwords);
  if (!logins) return logins.error();
  auto table = session.script(
      "create table if not exists schema_migration (name text primary key, sha256 bytea not null, "
      "applied_at timestamptz not null default now())");
  if (!table) return table.error();

  std::vector<std::string> applied;
  for (const auto& migration : migrations()) {
    const std::string digest(view(sha256(migration.sql)));
    auto known = session.run("select sha256 from schema_migration where name = $1", {std::string(migration.name)});
    if (!known) return known.error();
    if (known->size() > 0) {
      if (known->octets(0, 0) != digest)
        return Error{ErrorCode::corrupt, "migration " + std::string(migration.name) +
                                             " is not the one that was applied to this database: use the signetd "
                                             "that made it, or a newer one"};
      continue;
    }
    auto done = apply(session, migration, digest);
    if (!done) return done.error();
    applied.emplace_back(migration.name);
  }
  (void)session.script("select pg_advisory_unlock_all()");
  return applied;
}

Result<void> check_schema(PgSession& session) {
  auto known = session.run("select name, sha256 from schema_migration order by name");
  if (!known) {
    if (session.last_sqlstate() == "42P01")
      return Error{ErrorCode::not_found, "the database has no Signet schema yet: run `signetd migrate`"};
    return known.error();
  }
  const auto& expected = migrations();
  for (size_t i = 0; i < expected.size(); i++) {
    const int row = static_cast<int>(i);
    if (row >= known->size() || known->text(row, 0) != expected[i].name)
      return Error{ErrorCode::not_found,
                   "migration " + std::string(expected[i].name) + " is not applied: run `signetd migrate`"};
    if (known->octets(row, 1) != view(sha256(expected[i].sql)))
      return Error{ErrorCode::corrupt, "migration " + std::string(expected[i].name) +
                                           " was changed after it was "
                                           "applied: use the signetd that made this database"};
  }
  if (known->size() > static_cast<int>(expected.size()))
    return Error{ErrorCode::conflict, "the database is newer than this signetd: install the newer signetd"};
  return {};
}

}  // namespace signet
