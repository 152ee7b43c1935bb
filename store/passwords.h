// Passwords and how often they were missed. Hashes are made and compared by base/password.h.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct PasswordRow {
  Uuid user_id;
  std::string hash;       // PHC string; empty: none is set, nobody logs in
  int failed_logins = 0;  // in a row
  std::optional<WallTime> last_failed_at, locked_until;
};

// One attempt at a time for an account, whether or not there is one: otherwise attempts side by side would count as
// one, and their time would tell who exists. `account` is what was typed, hashed. Held until the transaction ends.
Result<void> lock_account(PgTransaction& tx, const std::string& account);
// None: no such user, or disabled.
Result<std::optional<PasswordRow>> find_password(PgTransaction& tx, const std::string& email);
Result<std::optional<PasswordRow>> read_password(PgTransaction& tx, const Uuid& user_id);
// Writes failed_logins, last_failed_at, locked_until. A nil user: the same work, for nobody.
Result<void> note_attempts(PgTransaction& tx, const PasswordRow& row);
Result<void> set_password(PgTransaction& tx, const Uuid& user_id, const std::string& hash);  // and forgets failures

}  // namespace signet
