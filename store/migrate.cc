#include "store/migrate.h"

#include <utility>

#include "base/bytes.h"
#include "base/crypto.h"
#include "store/messages.h"

namespace signet {
namespace {

constexpr int kTriesMax = 5;
constexpr char kLock[] = "select pg_advisory_lock(7460916)";  // one migrator at a time
constexpr const char* kLogins[] = {"signet_app", "signet_sequencer", "signet_verify", "signet_purge", "signet_migrate"};
constexpr char kOwner[] = R"sql(
do $$ begin create role signet_owner nologin; exception when duplicate_object then null; end $$;
do $$ begin
  -- Without a superuser, who hands tables over must be one of their new owner's.
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant signet_owner to %I', current_user);
  end if;
end $$)sql";

// Event triggers are a superuser's; a managed database may have none.
constexpr char kLower[] = R"sql(
do $$
declare g text;
begin
  for g in select evtname from pg_event_trigger where evtname in ('signet_ddl', 'signet_drop') loop
    execute format('alter event trigger %I disable', g);
  end loop;
end $$)sql";
constexpr char kOwn[] = R"sql(
do $$
declare t regclass;
begin
  for t in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'audit') and c.relkind in ('r', 'p', 'v', 'm')
        and c.relowner <> 'signet_owner'::regrole loop
    execute format('alter table %s owner to signet_owner', t);
  end loop;
end $$)sql";
constexpr char kRaise[] = R"sql(
do $$
begin
  if not exists (select from pg_event_trigger where evtname = 'signet_ddl') then
    create event trigger signet_ddl on ddl_command_end execute function audit.refuse_ddl();
  end if;
  if not exists (select from pg_event_trigger where evtname = 'signet_drop') then
    create event trigger signet_drop on sql_drop execute function audit.refuse_drop();
  end if;
  alter event trigger signet_ddl enable always;
  alter event trigger signet_drop enable always;
exception when insufficient_privilege then
  if (select rolsuper from pg_roles where rolname = current_user) then raise; end if;
end $$)sql";

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + '\'';
}

Result<void> make_logins(PgSession& session, const std::vector<LoginPassword>& passwords) {
  auto owner = session.script(kOwner);
  if (!owner) return owner;
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

Result<int64_t> number(PgSession& session, const std::string& sql) {
  auto rows = session.run(sql);
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

// One transaction: guards down, `sql`, partitions, guards up, its own entry. `change.applied` is what `sql` applies,
// and what went before without an entry: 0001 knows no entry of today's form.
Result<void> apply(PgSession& session, const Migration* migration, SchemaChange& change, const SchemaEntry& entry) {
  PgTransaction tx(session);
  auto lowered = session.script(kLower);
  if (!lowered)
    return Error{lowered.error().code, "the guards are a superuser's to lower; postgres.roles.migrate must name one: " +
                                           lowered.error().text};
  if (migration) {
    auto done = session.script(std::string(migration->sql));
    if (!done) return done;
    auto noted = tx.run("insert into schema_migration (name, sha256) values ($1, $2)",
                        {std::string(migration->name), PgValue::octets(view(sha256(migration->sql)))});
    if (!noted) return noted.error();
  }
  auto is_guardable = number(session, "select count(*) from pg_proc where proname = 'make_insert_only'");
  if (!is_guardable) return is_guardable.error();
  if (*is_guardable == 0) return tx.commit();
  auto made = number(session, "select coalesce(sum(audit.make_partitions(t)), 0)::bigint from audit.partitioned() t");
  if (!made) return made.error();
  for (const char* step : {kOwn, kRaise})
    if (auto done = session.script(step); !done) return done;
  auto guards = has_guards(session);
  if (!guards) return guards.error();
  change.partitions = static_cast<int>(*made);
  change.has_guards = *guards;
  auto known = tx.run("update schema_migration set is_guarded = $1 where is_guarded <> $1", {PgValue(*guards)});
  if (!known) return known.error();
  if (known->affected() > 0 || *made > 0 || migration) {
    auto written = insert_entry(tx, entry(change));
    if (!written) return written;
  }
  auto committed = tx.commit();
  if (committed) change.applied.clear();
  return committed;
}

// Autovacuum may be at a table that a migration changes, and the server ends one of the two: then the whole transaction
// again.
Result<void> apply_patiently(PgSession& session, const Migration* migration, SchemaChange& change,
                             const SchemaEntry& entry) {
  for (int tries = 1;; ++tries) {
    auto done = apply(session, migration, change, entry);
    if (done || done.error().code != ErrorCode::conflict || tries == kTriesMax) return done;
  }
}

}  // namespace

Result<SchemaChange> migrate(PgSession& session, const std::vector<LoginPassword>& passwords,
                             const SchemaEntry& entry) {
  // Waiting for another migrator may take as long as its work.
  auto locked = session.script(std::string("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; "
                                           "set client_min_messages = error; ") +
                               kLock);
  if (!locked) return locked.error();
  auto logins = make_logins(session, passwords);
  if (!logins) return logins.error();
  auto table = session.script(
      "create table if not exists schema_migration (name text primary key, sha256 bytea not null, "
      "applied_at timestamptz not null default now()); "
      "alter table schema_migration add column if not exists is_guarded boolean not null default false");
  if (!table) return table.error();

  SchemaChange all, change;
  for (const auto& migration : migrations()) {
    auto known = session.run("select sha256 from schema_migration where name = $1", {std::string(migration.name)});
    if (!known) return known.error();
    if (known->size() > 0) {
      if (known->octets(0, 0) != view(sha256(migration.sql)))
        return Error{ErrorCode::corrupt, "migration " + std::string(migration.name) +
                                             " is not the one that was applied to this database: use the signetd "
                                             "that made it, or a newer one"};
      continue;
    }
    change.applied.emplace_back(migration.name);
    auto done = apply_patiently(session, &migration, change, entry);
    if (!done) return Error{done.error().code, "migration " + std::string(migration.name) + ": " + done.error().text};
    all.applied.emplace_back(migration.name);
    all.partitions += std::exchange(change.partitions, 0);
  }
  // Time passes between migrations too: months are added, and guards that somebody took away stand again.
  auto kept = apply_patiently(session, nullptr, change, entry);
  if (!kept) return kept.error();
  all.partitions += change.partitions;
  all.has_guards = change.has_guards;
  (void)session.script("select pg_advisory_unlock_all()");
  return all;
}

Result<bool> has_guards(PgSession& session) {
  auto guards = number(session,
                       "select count(*) from pg_event_trigger where evtname in ('signet_ddl', 'signet_drop') "
                       "and evtenabled = 'A'");
  if (!guards) return guards.error();
  return *guards == 2;
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
