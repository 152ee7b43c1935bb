// Numbered migrations, each applied once, under an advisory lock, with its text's digest kept: a changed one is
// refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/pg_session.h"

namespace signet {

struct Migration {
  std::string_view name;  // "0001_messages"
  std::string_view sql;
};
const std::vector<Migration>& migrations();  // embedded in the binary, in order

struct LoginPassword {
  std::string login;  // signet_app, ...
  Secret password;    // empty: the login keeps what it has
};

// `session` is a superuser's. Makes the logins that are missing, then applies what is. Returns the names applied.
// Each migration is one transaction; a failure leaves those before it in place.
Result<std::vector<std::string>> migrate(PgSession& session, const std::vector<LoginPassword>& passwords);

// Whether the schema is the one this binary knows; the error says what to run.
Result<void> check_schema(PgSession& session);

}  // namespace signet
