// Passwords at the door: Argon2id, a delay for each account that grows with each miss to a lock of 15 minutes after
// ten, and one answer, at one cost, for whoever is not let in: nobody learns who exists, or who is locked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/password.h"
#include "base/secret.h"
#include "store/passwords.h"
#include "store/pg_session.h"

namespace signet {

constexpr int kLockAfter = 10;
constexpr int64_t kLockUs = 15 * 60 * 1'000'000LL;

// How long after `failures` in a row nobody is let in: nothing after the first, which is a slip; then 1 s, doubled each
// time; from the tenth on the whole lock.
int64_t log_in_delay_us(int failures);

struct LogInResult {
  bool is_right = false;
  Uuid user_id;                  // nil: nobody by that e-mail address
  std::string_view reason = {};  // for the event only: UNKNOWN_USER, NO_PASSWORD, LOCKED, WRONG_PASSWORD
  bool has_locked = false;       // by this miss: `lockout` has to be written
  int failures = 0;
};

// Both are one attempt, counted in the caller's transaction: commit it also where the answer is no. Waits for its turn
// among attempts at the same account, and for a hasher that is free. Errors are the store's.
Result<LogInResult> check_log_in(PgTransaction& tx, PasswordHasher& hasher, std::string_view index_key,
                                 const std::string& email, const Secret& password, WallTime now);
Result<LogInResult> check_again(PgTransaction& tx, PasswordHasher& hasher, std::string_view index_key,
                                const std::string& email, const Uuid& user_id, const Secret& password, WallTime now);

// What is wrong with it as a new password; empty: nothing. Length and nothing else (NIST SP 800-63B section 5.1.1.2).
std::string_view fault_of_password(std::string_view password, std::string_view email);

// An account or an address as limits and locks know it: HMAC under the index key, hexadecimal. A-Z and a-z are alike.
std::string account_key(std::string_view index_key, std::string_view email);

}  // namespace signet
