#include "daemon/access/log_in.h"

#include <catch2/catch.hpp>

namespace signet {
namespace {

TEST_CASE("the delay of an account doubles with each miss, up to the lock") {
  CHECK(log_in_delay_us(0) == 0);
  CHECK(log_in_delay_us(1) == 0);
  int64_t expected_us = 1'000'000;
  for (int failures = 2; failures < kLockAfter; ++failures, expected_us *= 2)
    CHECK(log_in_delay_us(failures) == expected_us);
  CHECK(log_in_delay_us(kLockAfter) == kLockUs);
  CHECK(log_in_delay_us(1'000'000) == kLockUs);
}

TEST_CASE("a new password has twelve characters at least, and is not the address") {
  CHECK(fault_of_password("correct horse", "a@example.org").empty());
  CHECK(fault_of_password("ääääääääääää", "a@example.org").empty());
  CHECK_FALSE(fault_of_password("ääääääääääa", "a@example.org").empty());
  CHECK_FALSE(fault_of_password("", "a@example.org").empty());
  CHECK_FALSE(fault_of_password("someone@Example.org", "Someone@example.org").empty());
  CHECK_FALSE(fault_of_password(std::string(1025, 'x'), "a@example.org").empty());
}

TEST_CASE("an account's key tells nothing, and its spelling does not matter") {
  CHECK(account_key("k", "Ada@Example.org") == account_key("k", "ada@example.ORG"));
  CHECK(account_key("k", "ada@example.org") != account_key("l", "ada@example.org"));
  CHECK(account_key("k", "ada@example.org").size() == 32);
}

}  // namespace
}  // namespace signet
