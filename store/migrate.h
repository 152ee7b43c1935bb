// Numbered migrations, each applied once, under an advisory lock, with its text's digest kept: a changed one is
// refused. The guards of the insert-only tables are lowered and raised inside each transaction.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/entry.h"
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

struct SchemaChange {  // what one of migrate's transactions did
  std::vector<std::string> applied;
  int partitions = 0;
  bool has_guards = false;
};
using SchemaEntry = std::function<Entry(const SchemaChange&)>;  // its event, `schema_migrated`

// `session` is a superuser's; another login goes on without the event triggers (has_guards false, and so it stands in
// schema_migration.is_guarded), as a managed database has it. Makes the roles that are missing, applies what is, makes
// the partitions of two years ahead, and hands every table to signet_owner, who cannot log in. Each migration is one
// transaction; a failure leaves those before it in place. `entry` is asked once for each transaction that changed
// something, and its entry committed with it.
Result<SchemaChange> migrate(PgSession& session, const std::vector<LoginPassword>& passwords, const SchemaEntry& entry);

// Whether the schema is the one this binary knows; the error says what to run.
Result<void> check_schema(PgSession& session);
// Whether the event triggers stand, so that not even the tables' owner can loosen them.
Result<bool> has_guards(PgSession& session);

}  // namespace signet
