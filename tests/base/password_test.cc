#include "base/password.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/fakes/random.h"

using namespace signet;

TEST_CASE("a password verifies against its own hash only") {
  SeededRandom random(1);
  PasswordHasher hasher(random);
  const auto hash = hasher.hash(Secret("correct horse"));
  REQUIRE(hash.ok());
  CHECK(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
  CHECK(hasher.verify(*hash, Secret("correct horse")).value());
  for (const char* wrong : {"", "correct horsf", "correct hors", "correct horse "})
    CHECK_FALSE(hasher.verify(*hash, Secret(wrong)).value());
  CHECK_FALSE(PasswordHasher::needs_rehash(*hash));
}

TEST_CASE("the same password is hashed twice to two strings") {
  SystemRandom random;
  PasswordHasher hasher(random);
  CHECK(hasher.hash(Secret("x")).value() != hasher.hash(Secret("x")).value());
}

// A vector of src/test.c in github.com/P-H-C/phc-winner-argon2.
TEST_CASE("hashes with other parameters verify and ask to be made anew") {
  SeededRandom random(1);
  PasswordHasher hasher(random);
  const std::string older = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  CHECK(hasher.verify(older, Secret("password")).value());
  CHECK_FALSE(hasher.verify(older, Secret("Password")).value());
  CHECK(PasswordHasher::needs_rehash(older));
}

TEST_CASE("a stored string that is no hash is corrupt, and so is one that would cost too much") {
  SeededRandom random(1);
  PasswordHasher hasher(random);
  for (const char* bad :
       {"", "password", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=19456,t=2,p=1$",
        "$argon2id$v=19$m=19456,t=2,p=1$!!$??",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=19456,t=9999,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"}) {
    INFO(bad);
    const auto done = hasher.verify(bad, Secret("password"));
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("nobody's password never verifies") {
  SeededRandom random(1);
  PasswordHasher hasher(random);
  for (const char* any : {"", "password", "admin"}) {
    const auto done = hasher.verify_nobody(Secret(any));
    REQUIRE(done.ok());
    CHECK_FALSE(*done);
  }
}

TEST_CASE("many threads hash in turn") {
  SystemRandom random;
  PasswordHasher hasher(random);
  const std::string hash = hasher.hash(Secret("x")).value();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; i++) threads.emplace_back([&] { good += hasher.verify(hash, Secret("x")).value() ? 1 : 0; });
  for (auto& thread : threads) thread.join();
  CHECK(good == 6);
}
