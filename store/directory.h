// People and their tokens, and who a caller is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "message/message.h"
#include "store/pg_session.h"
#include "store/sessions.h"

namespace signet {

struct UserRow {
  Uuid id;
  std::string name, email, registration;
  Role role = Role::staff;
  bool is_disabled = false;
  bool may_read_content = false;  // of an auditor
  int version = 1;
  bool has_password = false;
  std::optional<WallTime> locked_until = {};  // nobody logs in before
};
struct TokenRow {
  Uuid id, user_id;
  std::vector<std::string> scopes;
  std::optional<WallTime> expires_at, last_used_at;
  bool is_revoked = false;
};
struct Principal {  // who calls
  UserRow user;
  TokenRow token;                     // nil id: by session, or by the intake stream
  std::optional<SessionRow> session;  // none: by token
  // Content beyond the role's own scope: granted (auditors), or by break-glass (administrators).
  bool is_content_open = false;
};

// The id, name, email, registration, role and may_read_content. conflict: the e-mail is taken
Result<void> insert_user(PgTransaction& tx, const UserRow& row);
Result<std::optional<UserRow>> find_user(PgTransaction& tx, const std::string& email);  // not a disabled one
Result<std::optional<UserRow>> read_user(PgTransaction& tx, const Uuid& id);            // disabled ones too
// The enabled service account of this name; none if there are several.
Result<std::optional<UserRow>> find_service(PgTransaction& tx, const std::string& name);
Result<std::optional<UserRow>> lock_user(PgTransaction& tx, const Uuid& id);
Result<std::vector<UserRow>> list_users(PgTransaction& tx);
// What insert_user() writes and is_disabled; the version moves on. conflict: the e-mail is taken, or the version moved.
Result<void> update_user(PgTransaction& tx, const UserRow& row);
// Enabled ones, locked until the transaction ends, so that two do not remove each other.
Result<std::vector<Uuid>> lock_administrators(PgTransaction& tx);

Result<void> insert_token(PgTransaction& tx, const TokenRow& row, std::string_view sha256);
// By age, revoked ones too. No user: everybody's.
Result<std::vector<TokenRow>> list_tokens(PgTransaction& tx, const std::optional<Uuid>& user_id);
Result<std::optional<TokenRow>> read_token(PgTransaction& tx, const Uuid& id);
Result<bool> revoke_token(PgTransaction& tx, const Uuid& id, WallTime now);       // false: it was already
Result<void> touch_token(PgTransaction& tx, const Uuid& token_id, WallTime now);  // last use

// None: unknown, lapsed, revoked, or its user is disabled.
Result<std::optional<Principal>> find_principal(PgTransaction& tx, std::string_view token_sha256, WallTime now);
// Likewise by a session, which is over too if it was not used since `seen_after`.
Result<std::optional<Principal>> find_session_principal(PgTransaction& tx, std::string_view session_sha256,
                                                        WallTime now, WallTime seen_after);

}  // namespace signet
