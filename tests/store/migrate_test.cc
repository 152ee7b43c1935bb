#include "store/migrate.h"

#include <catch2/catch.hpp>

#include "message/lifecycle.h"
#include "store/keyring.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

TEST_CASE("migrations apply once and say what they applied") {
  auto session = shared_postgres().session("postgres");
  auto again = migrate(*session, {});
  REQUIRE(again.ok());
  CHECK(again->empty());
  auto app = shared_postgres().session();
  CHECK(check_schema(*app).ok());
}

TEST_CASE("a migration that was changed after it was applied is refused by name") {
  auto session = shared_postgres().session("postgres");
  REQUIRE(session->script("update schema_migration set sha256 = '\\x00' || substr(sha256, 2)").ok());
  auto refused = migrate(*session, {});
  CHECK_FALSE(refused.ok());
  CHECK_THAT(refused.error().text, Catch::Contains("0001_messages"));
  auto app = shared_postgres().session();
  CHECK_FALSE(check_schema(*app).ok());
  REQUIRE(session->script("delete from schema_migration").ok());
  REQUIRE(session
              ->run("insert into schema_migration (name, sha256) values ($1, $2)",
                    {std::string(migrations()[0].name), PgValue::octets(view(sha256(migrations()[0].sql)))})
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

TEST_CASE("insert-only tables refuse the app's login each change, and their owner too") {
  shared_postgres().clear();
  auto app = shared_postgres().session();
  auto owner = shared_postgres().session("postgres");
  REQUIRE(owner
              ->script("insert into audit.entry (event_id, canon, leaf) values "
                       "('01930000-0000-7000-8000-000000000001', 'x', sha256('x'));"
                       "insert into attempt_start values ('01930000-0000-7000-8000-000000000001', 1, 1, null, 'i', "
                       "'p', 'l', '', now())")
              .ok());
  for (const char* table :
       {"approval", "attempt_start", "attempt_result", "confirmation", "decision", "callback", "audit.entry"}) {
    INFO(table);
    for (const std::string change : {"delete from ", "truncate "}) {
      auto refused = app->run(change + table);
      REQUIRE_FALSE(refused.ok());
      CHECK(refused.error().code == ErrorCode::forbidden);
    }
    CHECK_FALSE(owner->run(std::string("truncate ") + table).ok());
  }
  CHECK_FALSE(owner->run("update attempt_start set provider = 'other'").ok());
  CHECK_FALSE(owner->run("delete from audit.entry").ok());
  CHECK_FALSE(app->run("update audit.entry set canon = 'y'").ok());
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
