// People and their tokens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "message/message.h"
#include "store/pg_session.h"

namespace signet {

struct UserRow {
  Uuid id;
  std::string name, email, registration;
  Role role = Role::staff;
  bool is_disabled = false;
};
struct TokenRow {
  Uuid id, user_id;
  std::vector<std::string> scopes;
  std::optional<WallTime> expires_at, last_used_at;
  bool is_revoked = false;
};
struct Principal {  // who calls
  UserRow user;
  TokenRow token;
  bool is_content_open = false;  // content beyond the role's own scope: granted, or by break-glass
};

Result<void> insert_user(PgTransaction& tx, const UserRow& row);  // conflict: the e-mail is taken
Result<std::optional<UserRow>> find_user(PgTransaction& tx, const std::string& email);
Result<std::vector<UserRow>> list_users(PgTransaction& tx);
Result<void> insert_token(PgTransaction& tx, const TokenRow& row, std::string_view sha256);
// None: unknown, lapsed, revoked, or its user is disabled.
Result<std::optional<Principal>> find_principal(PgTransaction& tx, std::string_view token_sha256);
Result<void> touch_token(PgTransaction& tx, const Uuid& token_id);  // last use, written at most once a minute

}  // namespace signet
