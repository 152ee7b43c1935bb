// First replies of requests that create, kept for a day so that a repeat gets the same one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct KeptReply {
  Uuid user_id;
  std::string route;
  std::string key;          // HMAC of what the client sent, hexadecimal: clients put anything there
  std::string body_sha256;  // 32 octets
  WallTime created_at;
  std::string sealed_by;  // the day of its day key
  std::string reply;      // sealed
};

// Waits until nobody else is at work under this key, and holds it until the transaction ends. None: no reply is kept
// since `kept_after`; an older one is deleted.
Result<std::optional<KeptReply>> claim_idempotency_key(PgTransaction& tx, const Uuid& user_id, const std::string& route,
                                                       const std::string& key, WallTime kept_after);
Result<void> keep_reply(PgTransaction& tx, const KeptReply& row);
Result<int64_t> delete_replies(PgTransaction& tx, WallTime created_before);

}  // namespace signet
