// What the logins may do to who may do what.
#include <catch2/catch.hpp>

#include "store/break_glass.h"
#include "store/day_key.h"
#include "store/directory.h"
#include "store/signing_keys.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/postgres_server.h"

namespace signet {
namespace {

bool is_refused(PgSession& session, const std::string& sql) {
  const auto done = session.run(sql);
  return !done && done.error().code == ErrorCode::forbidden;
}

struct Fixture {
  std::unique_ptr<PgSession> app;
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  Keyring keyring{Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), random};
  Uuid user_id;
  Fixture() {
    shared_postgres().clear();
    app = shared_postgres().session();
    PgTransaction tx(*app);
    UserRow user;
    user.id = user_id = ids.next();
    user.email = "ada@example.org";
    REQUIRE(insert_user(tx, user).ok());
    SigningKeyRow key;
    key.id = ids.next();
    key.user_id = user_id;
    key.key_id = "0123456789abcdef";
    key.public_key = "spki";
    key.valid_from = clock.wall();
    REQUIRE(insert_signing_key(tx, key).ok());
    const auto day = day_key(tx, keyring, clock.wall());
    REQUIRE(day.ok());
    REQUIRE(insert_break_glass(tx, {ids.next(), user_id, day->day, "sealed", clock.wall(),
                                    WallTime{clock.wall().us + 1}, std::nullopt, std::nullopt})
                .ok());
    REQUIRE(tx.commit().ok());
  }
};

TEST_CASE_METHOD(Fixture, "the app ends a key and reviews a break-glass, and can change nothing else of them") {
  for (const char* sql :
       {"update signing_keys set public_key = 'other'", "update signing_keys set user_id = null",
        "update signing_keys set valid_from = now()", "delete from signing_keys", "truncate signing_keys",
        "update break_glass set reason = 'other'", "update break_glass set until = now()", "delete from break_glass",
        "truncate break_glass", "update idempotency set reply = ''", "delete from users", "delete from tokens"}) {
    CAPTURE(sql);
    CHECK(is_refused(*app, sql));
  }
  CHECK(app->run("update signing_keys set revoked_at = now(), revoked_reason = 'lost'").ok());
  // Not by who opened it, whatever the API says.
  CHECK_FALSE(app->run("update break_glass set reviewed_by = user_id, reviewed_at = now()").ok());
}

TEST_CASE_METHOD(Fixture, "the login that verifies sees public keys, and neither passwords nor wrapped ones") {
  auto verifier = shared_postgres().session("signet_verify");
  CHECK(verifier->run("select key_id, public_key, valid_from, revoked_at from signing_keys").ok());
  CHECK(verifier->run("select id, name, role from users").ok());
  for (const char* sql : {"select password_hash from users", "select * from users", "select wrapped from signing_keys",
                          "select * from sessions", "select * from idempotency", "select * from break_glass"}) {
    CAPTURE(sql);
    CHECK(is_refused(*verifier, sql));
  }
}

TEST_CASE_METHOD(Fixture, "a day's key is made once, and is gone once it was erased") {
  PgTransaction tx(*app);
  const auto a = day_key(tx, keyring, clock.wall()), b = day_key(tx, keyring, clock.wall());
  REQUIRE((a.ok() && b.ok()));
  CHECK(a->key.octets() == b->key.octets());
  const auto other = day_key(tx, keyring, "2020-01-01");
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().code == ErrorCode::not_found);
}

}  // namespace
}  // namespace signet
