// What is insert-only stays so, whoever asks: the application, the owner of the tables, a superuser's replica mode.
#include <catch2/catch.hpp>
#include <set>

#include "tests/fakes/approved_messages.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

namespace {

// design: evidence, "Immutable in PostgreSQL"
const std::set<std::string> kInsertOnly{
    "approval",      "attempt_start", "attempt_result", "confirmation", "decision",         "callback",
    "audit.entry",   "audit.log",     "audit.tile",     "audit.anchor", "audit.fault",      "audit.checkpoint",
    "audit.guarded", "edit",          "provenance",     "audit.note",   "audit.user_agent", "audit.acknowledgement",
    "inbound"};
const std::set<std::string> kMutableInAudit{"audit.cursor", "audit.verification", "audit.verification_run"};

std::vector<std::string> texts(PgSession& session, const std::string& sql) {
  auto rows = session.run(sql);
  REQUIRE(rows.ok());
  std::vector<std::string> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->text(i, 0));
  return out;
}

// The parents and whole tables, without partitions.
std::set<std::string> guarded(PgSession& session) {
  const auto all = texts(session,
                         "select relation::text from audit.guarded g join pg_class c on c.oid = g.relation "
                         "where not c.relispartition");
  return {all.begin(), all.end()};
}

struct Fixture {
  std::unique_ptr<PgSession> superuser, app, owner;
  Fixture() {
    shared_postgres().clear();
    superuser = shared_postgres().session("postgres");
    app = shared_postgres().session();
    owner = shared_postgres().session("postgres");
    REQUIRE(owner->script("set session authorization signet_owner").ok());
    // One row in each table that a change could hit, in the month of today and in the default partition.
    for (const char* id : {"01930000-0000-7000-8000-000000000001", "ffffffff-0000-7000-8000-000000000001"}) {
      REQUIRE(superuser
                  ->script(std::string("insert into audit.entry (event_id, canon, leaf, at, action) values ('") + id +
                           "', 'x', sha256('x'), now(), 'login'); insert into attempt_start values ('" + id +
                           "', 1, 1, null, 'i', 'p', 'l', '', now())")
                  .ok());
    }
  }
  void refused(PgSession& session, const std::string& sql) {
    INFO(sql);
    REQUIRE(session.script("begin").ok());
    auto done = session.script(sql);
    CHECK_FALSE(done.ok());
    // Without the list the guards fail, which refuses as well.
    if (!done.ok() && sql.find("audit.guarded") == std::string::npos) CHECK(done.error().code == ErrorCode::forbidden);
    REQUIRE(session.script("rollback").ok());
  }
};

std::string first_column(PgSession& session, const std::string& table) {
  return texts(session, "select quote_ident(attname) from pg_attribute where attrelid = '" + table +
                            "'::regclass and attnum > 0 and not attisdropped order by attnum limit 1")[0];
}

}  // namespace

TEST_CASE_METHOD(Fixture, "the insert-only tables are those of the design, and each partition of one is guarded") {
  CHECK(guarded(*superuser) == kInsertOnly);
  for (const auto& table : texts(*superuser,
                                 "select c.oid::regclass::text from pg_class c join pg_namespace n on "
                                 "n.oid = c.relnamespace where n.nspname = 'audit' and c.relkind in "
                                 "('r', 'p') and not c.relispartition"))
    CHECK(kInsertOnly.count(table) + kMutableInAudit.count(table) == 1);
  CHECK(texts(*superuser,
              "select inhrelid::regclass::text from pg_inherits join audit.guarded on relation = inhparent "
              "where inhrelid not in (select relation from audit.guarded) and exists (select from pg_class "
              "where oid = inhrelid and relkind = 'r')")
            .empty());
  // Both triggers, ENABLE ALWAYS, on each.
  CHECK(texts(*superuser,
              "select relation::text from audit.guarded where (select count(*) from pg_trigger where "
              "tgrelid = relation and tgenabled = 'A' and tgname in ('insert_only', "
              "'insert_only_truncate')) <> 2")
            .empty());
  CHECK(texts(*superuser,
              "select tablename::text from pg_tables where schemaname in ('public', 'audit') and tableowner "
              "<> 'signet_owner'")
            .empty());
  CHECK(texts(*superuser, "select rolname::text from pg_roles where rolname = 'signet_owner' and rolcanlogin").empty());
}

TEST_CASE_METHOD(Fixture, "the application's login and the tables' owner are refused each change to each of them") {
  const auto tables = texts(*superuser,
                            "select relation::text from audit.guarded g join pg_class c on c.oid = g.relation where "
                            "not c.relispartition or relation::text ~ ('(_default|' || to_char(now() at time zone "
                            "'UTC', 'YYYYMM') || ')$')");
  REQUIRE(tables.size() > kInsertOnly.size());
  for (const auto& table : tables) {
    const std::string column = first_column(*superuser, table);
    for (PgSession* attacker : {app.get(), owner.get()}) {
      refused(*attacker, "truncate " + table);
      refused(*attacker, "drop table " + table + " cascade");
      refused(*attacker, "alter table " + table + " disable trigger insert_only");
      refused(*attacker, "alter table " + table + " disable trigger all");
      refused(*attacker, "alter table " + table + " rename to gone");
      refused(*attacker, "alter table " + table + " replica identity full");
      refused(*attacker, "drop trigger insert_only_truncate on " + table);
      refused(*attacker, "alter trigger insert_only_truncate on " + table + " rename to gone");
      refused(*attacker, "create rule nothing as on insert to " + table + " do instead nothing");
      refused(*attacker, "create trigger swallow before insert on " + table +
                             " for each statement execute function audit.refuse_change()");
      refused(*attacker, "create index on " + table + " ((1))");
      refused(*attacker, "create policy nobody on " + table + " using (false)");
    }
    refused(*app, "update " + table + " set " + column + " = " + column);
    refused(*app, "delete from " + table);
  }
  refused(*app, "set session_replication_role = replica");
  refused(*owner, "set session_replication_role = replica");
  refused(*owner, "alter table attempt_start detach partition attempt_start_default");
  refused(*owner,
          "create table more partition of attempt_start for values from "
          "('00000000-0000-0000-0000-000000000000') to ('00000000-0000-0000-0000-000000000001')");
  refused(*owner,
          "create or replace function audit.refuse_change() returns trigger language plpgsql as "
          "'begin return null; end'");
  refused(*owner, "drop function audit.refuse_change() cascade");
  refused(*owner, "alter event trigger signet_ddl disable");
  refused(*owner, "drop event trigger signet_drop");
  CHECK_FALSE(owner->script("drop owned by signet_owner cascade").ok());
}

TEST_CASE_METHOD(Fixture, "I7 rows of insert-only tables are refused a change by their owner and in replica mode") {
  REQUIRE(superuser->script("set session_replication_role = replica").ok());
  for (PgSession* attacker : {owner.get(), superuser.get()})
    for (const std::string table : {"attempt_start", "attempt_start_default", "audit.entry", "audit.entry_default"}) {
      const std::string column = first_column(*superuser, table);
      refused(*attacker, "update " + table + " set " + column + " = " + column);
      refused(*attacker, "delete from " + table);
      refused(*attacker, "truncate " + table);
    }
}

TEST_CASE_METHOD(Fixture, "the application cannot say when an entry was committed, nor write the log") {
  refused(*app,
          "insert into audit.entry (event_id, canon, leaf, at, action, xact) values "
          "('01930000-0000-7000-8000-000000000009', 'x', sha256('x'), now(), 'login', '1')");
  for (const std::string table : {"audit.log", "audit.tile", "audit.checkpoint", "audit.anchor", "audit.cursor"})
    refused(*app, "insert into " + table + " default values");
  for (const char* login : {"signet_verify", "signet_purge", "signet_migrate"}) {  // purge says what it erased: no more
    auto session = shared_postgres().session(login);
    refused(*session, std::string("insert into audit.entry ") +
                          (login == std::string("signet_purge") ? "(xact) values ('1')" : "default values"));
    refused(*session, "insert into audit.log default values");
  }
  auto sequencer = shared_postgres().session("signet_sequencer");
  refused(*sequencer, "insert into audit.entry default values");
  refused(*sequencer, "select from content");
}

TEST_CASE_METHOD(Fixture, "what no guard is about may still be made and dropped") {
  REQUIRE(app->script("create temporary table mine (a integer); alter table mine add b integer; drop table mine").ok());
}
