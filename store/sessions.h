// The console's sessions. What the cookie holds is secret and kept as its SHA-256 only; `id` is another, for events and
// lists. How long they last is the caller's to say (daemon/access/sessions.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct SessionRow {
  Uuid id, user_id;
  WallTime created_at, last_seen_at, expires_at;
  std::optional<WallTime> stepped_up_at;  // when its user last showed again who they are
  std::string ip;                         // it was opened from
};

Result<void> insert_session(PgTransaction& tx, const SessionRow& row, std::string_view sha256);
// Another secret for the same session, since its user has shown again who they are.
Result<void> step_up_session(PgTransaction& tx, const Uuid& id, std::string_view sha256, WallTime now);
Result<void> touch_session(PgTransaction& tx, const Uuid& id, WallTime now);
// Those that live: not revoked, not over at `now`, used since `seen_after`. No user: everybody's.
Result<std::vector<SessionRow>> list_sessions(PgTransaction& tx, const std::optional<Uuid>& user_id, WallTime now,
                                              WallTime seen_after);
Result<std::optional<SessionRow>> read_session(PgTransaction& tx, const Uuid& id);  // also one that is over
Result<bool> revoke_session(PgTransaction& tx, const Uuid& id, WallTime now);       // false: it was already
// All of a user's but one; how many.
Result<int64_t> revoke_sessions(PgTransaction& tx, const Uuid& user_id, const std::optional<Uuid>& but, WallTime now);
Result<int64_t> delete_sessions(PgTransaction& tx, WallTime expired_before);

}  // namespace signet
