// Users, tokens and keys from the command line: what they do, and that it is in the log.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/password.h"
#include "daemon/commands/commands.h"
#include "store/directory.h"
#include "store/passwords.h"
#include "store/signing_keys.h"
#include "tests/base/files.h"
#include "tests/fakes/postgres_server.h"

namespace signet {
namespace {

using Actions = std::vector<std::string>;

struct World {
  PostgresServer& postgres = shared_postgres();
  std::unique_ptr<PgSession> session;
  TestDir folder;
  Config config;
  World() {
    postgres.clear();
    session = postgres.session("postgres");
    config.postgres.url = postgres.url();
  }
  std::vector<nlohmann::json> events() {
    const auto rows = session->run("select canon from audit.entry order by event_id").value();
    std::vector<nlohmann::json> out;
    for (int i = 0; i < rows.size(); ++i) out.push_back(nlohmann::json::parse(rows.text(i, 0)));
    return out;
  }
  Actions actions() {
    Actions out;
    for (const auto& event : events()) {
      CHECK(event["actor"]["role"] == "operator");
      CHECK_FALSE(event["actor"].contains("id"));
      out.push_back(event["action"]);
    }
    return out;
  }
  UserRow user(const std::string& email) {
    PgTransaction tx(*session);
    return find_user(tx, email).value().value();
  }
};

TEST_CASE("a user gets a role and a password, and each step is in the log") {
  World world;
  CHECK(user_add(world.config, "Ada", "ada@clinic.example", "staff", "") == 0);
  CHECK(user_add(world.config, "Ada", "ada@clinic.example", "staff", "") == 1);
  CHECK(user_role(world.config, "ada@clinic.example", "doctor") == 0);
  CHECK(user_role(world.config, "nobody@clinic.example", "doctor") == 1);
  CHECK(user_role(world.config, "ada@clinic.example", "king") == 1);
  const std::string file = world.folder.put("password", "correct horse battery\n");
  CHECK(user_password(world.config, "ada@clinic.example", file) == 0);
  CHECK(user_password(world.config, "ada@clinic.example", world.folder.put("short", "short")) == 1);
  CHECK(user_password(world.config, "ada@clinic.example", world.folder.put("open", "correct horse", 0644)) == 1);
  CHECK(world.user("ada@clinic.example").role == Role::doctor);
  SystemRandom random;
  PasswordHasher hasher(random);
  PgTransaction tx(*world.session);
  const auto row = find_password(tx, "ada@clinic.example").value();
  REQUIRE(row);
  CHECK(hasher.verify(row->hash, Secret("correct horse battery")).value());
  CHECK(world.actions() == Actions{"user_created", "role_changed", "password_changed"});
}

TEST_CASE("the last administrator stays one") {
  World world;
  CHECK(user_add(world.config, "A", "a@clinic.example", "admin", "") == 0);
  CHECK(user_role(world.config, "a@clinic.example", "staff") == 1);
  CHECK(user_add(world.config, "B", "b@clinic.example", "admin", "") == 0);
  CHECK(user_role(world.config, "a@clinic.example", "staff") == 0);
}

TEST_CASE("tokens are made, listed and revoked, and each step is in the log") {
  World world;
  CHECK(user_add(world.config, "S", "s@clinic.example", "service", "") == 0);
  CHECK(token_create(world.config, "s@clinic.example", {"approve", "read"}, 30) == 0);
  CHECK(token_create(world.config, "s@clinic.example", {"everything"}, {}) == 1);
  CHECK(token_list(world.config, "s@clinic.example") == 0);
  std::string id;
  {
    PgTransaction tx(*world.session);
    const auto tokens = list_tokens(tx, std::nullopt).value();
    REQUIRE(tokens.size() == 1);
    CHECK(tokens[0].scopes == std::vector<std::string>{"approve", "read"});
    id = tokens[0].id.text();
  }
  CHECK(token_revoke(world.config, "no id") == 1);
  CHECK(token_revoke(world.config, id) == 0);
  CHECK(token_revoke(world.config, id) == 0);
  CHECK(world.actions() == Actions{"user_created", "token_created", "tokens_listed", "token_revoked"});
  CHECK(world.events()[1]["detail"]["scopes"] == "approve,read");
}

TEST_CASE("a public key is enrolled from its file, once, and revoked") {
  World world;
  CHECK(user_add(world.config, "D", "d@clinic.example", "doctor", "") == 0);
  const SigningKey key = SigningKey::generate(SignatureAlgorithm::p256).value();
  const std::string file = world.folder.put("key.pem", key.public_key().pem());
  CHECK(key_enrol(world.config, "d@clinic.example", file) == 0);
  CHECK(key_enrol(world.config, "d@clinic.example", file) == 1);
  CHECK(key_enrol(world.config, "d@clinic.example", world.folder.put("bad", "no key")) == 1);
  CHECK(key_enrol(world.config, "d@clinic.example", world.folder / "missing") == 1);
  CHECK(key_list(world.config, "") == 0);
  CHECK(key_revoke(world.config, key.public_key().key_id(), "lost") == 0);
  CHECK(key_revoke(world.config, "0123456789abcdef", "lost") == 1);
  CHECK(world.actions() == Actions{"user_created", "key_enrolled", "keys_listed", "key_revoked"});
  PgTransaction tx(*world.session);
  CHECK(find_signing_key(tx, key.public_key().key_id()).value()->revoked_reason == "lost");
}

}  // namespace
}  // namespace signet
