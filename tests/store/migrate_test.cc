#include "store/migrate.h"

#include <catch2/catch.hpp>

#include "message/lifecycle.h"
#include "store/keyring.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

TEST_CASE("migrations apply once and say what they applied") {
  auto again = shared_postgres().apply_migrations();
  REQUIRE(again.ok());
  CHECK(again->applied.empty());
  CHECK(again->partitions == 0);
  CHECK(again->has_guards);
  auto app = shared_postgres().session();
  CHECK(check_schema(*app).ok());
}

TEST_CASE("a migration that was changed after it was applied is refused by name") {
  auto session = shared_postgres().session("postgres");
  REQUIRE(session->script("update schema_migration set sha256 = '\\x00' || substr(sha256, 2)").ok());
  auto refused = shared_postgres().apply_migrations();
  CHECK_FALSE(refused.ok());
  CHECK_THAT(refused.error().text, Catch::Contains("0001_messages"));
  auto app = shared_postgres().session();
  CHECK_FALSE(check_schema(*app).ok());
  for (const auto& migration : migrations())
    REQUIRE(session
                ->run("update schema_migration set sha256 = $2 where name = $1",
                      {std::string(migration.name), PgValue::octets(view(sha256(migration.sql)))})
                .ok());
}

TEST_CASE("a database without a schema says which command makes one") {
  auto maintenance = shared_postgres().session("postgres");
  (void)maintenance->script("drop database if exists empty");
  REQUIRE(maintenance->script("create database empty").ok());
  PgOptions options;
  options.url = shared_postgres().url("signet_app", "empty");
  auto session = PgSession::open(options);
  REQUIRE(session.ok());
  auto refused = check_schema(**session);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().text, Catch::Contains("signetd migrate"));
}

TEST_CASE("a server that is not there is an error that says what to check") {
  PgOptions options;
  options.url = "postgresql://signet_app@127.0.0.1:1/signet";
  auto session = PgSession::open(options);
  REQUIRE_FALSE(session.ok());
  CHECK(session.error().code == ErrorCode::unavailable);
  CHECK_THAT(session.error().text, Catch::Contains("postgres.url"));
}

TEST_CASE("a migration goes through the guards and leaves them standing, more than once") {
  auto& postgres = shared_postgres();
  postgres.clear();
  auto superuser = postgres.session("postgres");
  for (int round = 0; round < 2; round++) {
    // A month that is missing is what a later run finds.
    REQUIRE(superuser
                ->script("begin; alter event trigger signet_ddl disable; alter event trigger signet_drop disable; "
                         "do $$ begin execute 'drop table decision_' || to_char(now() at time zone 'UTC' + interval "
                         "'24 months', 'YYYYMM'); end $$; commit")
                .ok());
    CHECK_FALSE(*has_guards(*superuser));
    auto change = postgres.apply_migrations();
    REQUIRE(change.ok());
    CHECK(change->partitions == 1);
    CHECK(change->has_guards);
    CHECK(superuser->run("select count(*) from audit.entry where action = 'schema_migrated'")->number(0, 0) ==
          round + 1);
  }
  auto app = postgres.session();
  CHECK_FALSE(app->script("truncate decision").ok());
  CHECK(
      superuser->run("select count(*) from audit.guarded where not exists (select from pg_class where oid = relation)")
          ->number(0, 0) == 2);
}

TEST_CASE("rows that the first schema made are kept, in their months, and searched columns are read from them") {
  auto& postgres = shared_postgres();
  auto maintenance = postgres.session("postgres");
  REQUIRE(maintenance->script("drop database if exists older with (force)").ok());
  REQUIRE(maintenance->script("create database older").ok());
  PgOptions options;
  options.url = postgres.url("postgres", "older");
  auto old = PgSession::open(options);
  REQUIRE(old.ok());
  PgSession& session = **old;
  REQUIRE(session
              .script("create table schema_migration (name text primary key, sha256 bytea not null, applied_at "
                      "timestamptz not null default now())")
              .ok());
  REQUIRE(session.script(std::string(migrations()[0].sql)).ok());
  REQUIRE(session
              .run("insert into schema_migration values ($1, $2)",
                   {std::string(migrations()[0].name), PgValue::octets(view(sha256(migrations()[0].sql)))})
              .ok());
  const std::string canon =
      R"({"action":"sent","actor":{"id":"here","role":"daemon"},"at":"2026-03-01T00:00:00.000000Z",)"
      R"("attempt":{"no":1,"permitAt":"2026-03-01T00:00:00.000000Z","provider":"relay"},"object":{"id":"",)"
      R"("n":null,"prev":null,"type":"message"},"status":"sent","v":1})";
  auto id = [](const char* tail) { return std::string("019caa00-0000-7000-8000-00000000000") + tail; };  // March 2026
  REQUIRE(session
              .script("insert into audit.entry (event_id, canon, leaf) values ('" + id("1") + "', convert_to('" +
                      canon + "', 'UTF8'), sha256('x')); insert into attempt_start values ('" + id("2") +
                      "', 1, 1, null, 'here', 'relay', 'lane', '', now()); insert into attempt_start values "
                      "('00000000-0000-0000-0000-000000000001', 1, 1, null, 'here', 'relay', 'lane', '', now()); "
                      "insert into decision values ('" +
                      id("3") + "', '" + id("2") + "', 1, 'fail', 'a', 'b', now())")
              .ok());
  auto change = postgres.apply_migrations("postgres", "older");
  REQUIRE((change.ok() ? "" : change.error().text) == "");
  CHECK(change->applied.size() == migrations().size() - 1);
  CHECK(session.run("select count(*) from attempt_start_202603")->number(0, 0) == 1);
  CHECK(session.run("select count(*) from attempt_start_default")->number(0, 0) == 1);
  CHECK(session.run("select count(*) from decision_202603")->number(0, 0) == 1);
  auto entry = session.run("select action, status, provider, actor_id, at, canon from audit.entry where event_id = $1",
                           {*parse_uuid(id("1"))});
  REQUIRE(entry.ok());
  REQUIRE(entry->size() == 1);
  CHECK(entry->text(0, 0) == "sent");
  CHECK(entry->number(0, 1) == 5);
  CHECK(entry->text(0, 2) == "relay");
  CHECK(entry->is_null(0, 3));
  CHECK(rfc3339(entry->time(0, 4)) == "2026-03-01T00:00:00.000000Z");
  CHECK(entry->text(0, 5) == canon);
  old->reset();
  REQUIRE(maintenance->script("drop database older with (force)").ok());
}

TEST_CASE("rows that fell into the default partition move to their month when it is made") {
  auto& postgres = shared_postgres();
  postgres.clear();
  auto superuser = postgres.session("postgres");
  REQUIRE(superuser
              ->script("begin; alter event trigger signet_ddl disable; alter event trigger signet_drop disable; "
                       "do $$ begin execute 'drop table decision_' || to_char(now() at time zone 'UTC', 'YYYYMM'); "
                       "end $$; commit; insert into decision values (gen_random_uuid(), audit.uuid_at(now()), 1, "
                       "'fail', 'a', 'b', now())")
              .ok());
  CHECK(superuser->run("select count(*) from decision_default")->number(0, 0) == 1);
  auto change = postgres.apply_migrations();
  REQUIRE((change.ok() ? "" : change.error().text) == "");
  CHECK(change->partitions == 1);
  CHECK(superuser->run("select count(*) from decision_default")->number(0, 0) == 0);
  CHECK(superuser->run("select count(*) from decision")->number(0, 0) == 1);
  CHECK_FALSE(superuser->script("delete from decision").ok());
}

TEST_CASE("without a superuser the schema comes without event triggers, and that is recorded") {
  auto& postgres = shared_postgres();
  auto maintenance = postgres.session("postgres");
  REQUIRE(maintenance->script("drop database if exists managed with (force)").ok());
  (void)maintenance->script("create role cloud login createrole");
  REQUIRE(maintenance->script("create database managed owner cloud").ok());
  auto change = postgres.apply_migrations("cloud", "managed");
  REQUIRE((change.ok() ? "" : change.error().text) == "");
  CHECK_FALSE(change->has_guards);
  PgOptions options;
  options.url = postgres.url("postgres", "managed");
  auto session = PgSession::open(options);
  REQUIRE(session.ok());
  CHECK((*session)->run("select count(*) from schema_migration where is_guarded")->number(0, 0) == 0);
  CHECK((*session)
            ->run("select count(*) from pg_tables where tableowner = 'signet_owner' and schemaname = 'audit'")
            ->number(0, 0) > 30);
  CHECK_FALSE((*session)->script("truncate audit.entry").ok());  // the triggers are there all the same
  // A superuser who comes later sets them up.
  change = postgres.apply_migrations("postgres", "managed");
  REQUIRE(change.ok());
  CHECK(change->has_guards);
  CHECK((*session)->run("select count(*) from schema_migration where not is_guarded")->number(0, 0) == 0);
  session->reset();
  REQUIRE(maintenance->script("drop database managed with (force)").ok());
}

TEST_CASE("the database refuses each change of status that the lifecycle table does not have, and no other") {
  shared_postgres().clear();
  auto owner = shared_postgres().session("postgres");
  for (int from = 1; from <= 11; from++)
    for (int to = 1; to <= 11; to++) {
      if (from == to) continue;
      bool is_legal = false;
      for (const auto& change : all_changes())
        if (static_cast<int>(change.from) == from && static_cast<int>(change.to) == to) is_legal = true;
      REQUIRE(owner
                  ->script("begin; insert into message (id, kind, delivery_method, status, priority, author_id, "
                           "last_editor_id, event_leaf) values ('01930000-0000-7000-8000-000000000002', 1, 1, " +
                           std::to_string(from) +
                           ", 3, '01930000-0000-7000-8000-000000000003', "
                           "'01930000-0000-7000-8000-000000000003', sha256('x'))")
                  .ok());
      INFO(name(static_cast<Status>(from)) << " -> " << name(static_cast<Status>(to)));
      CHECK(owner->run("update message set status = " + std::to_string(to)).ok() == is_legal);
      REQUIRE(owner->script("rollback").ok());
    }
}

TEST_CASE("a key file that holds another key is named, and the first run leaves the check values") {
  shared_postgres().clear();
  auto app = shared_postgres().session();
  SystemRandom random;
  const Secret a(std::string(32, 'a')), b(std::string(32, 'b')), c(std::string(32, 'c')), other(std::string(32, 'x'));
  REQUIRE(Keyring(a, b, c, random).check(*app).ok());
  CHECK(Keyring(a, b, c, random).check(*app).ok());
  auto refused = Keyring(a, other, c, random).check(*app);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().text, Catch::Contains("secrets.daemon_mac_key_file"));
}

TEST_CASE("a wrapped data key opens only for its owner and under its key") {
  SystemRandom random;
  const Keyring keys(Secret(std::string(32, 'a')), Secret(std::string(32, 'b')), Secret(std::string(32, 'c')), random);
  const auto made = keys.make_data_key("one");
  auto opened = keys.unwrap("one", keys.kek_id(), made.wrapped);
  REQUIRE(opened.ok());
  CHECK(opened->octets() == made.key.octets());
  CHECK_FALSE(keys.unwrap("two", keys.kek_id(), made.wrapped).ok());
  const Keyring others(Secret(std::string(32, 'z')), Secret(std::string(32, 'b')), Secret(std::string(32, 'c')),
                       random);
  auto refused = others.unwrap("one", keys.kek_id(), made.wrapped);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().text, Catch::Contains("key_encryption_key_file"));
}
