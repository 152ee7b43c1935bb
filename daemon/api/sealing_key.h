// The key under which what comes with a message is sealed: the message's data key, so that a purge erases it too, or
// the day's for what names no message of ours.
#pragma once

#include <optional>
#include <string>

#include "base/secret.h"
#include "daemon/api/router.h"

namespace signet::api {

struct SealingKey {
  std::string sealed_by;  // "message", or the day: "2026-11-26"
  Secret key;
};

// Of a message's wrapped data key; of none, the day's, which is made on its first use. `corrupt`: a key does not open,
// which tell_of_key() raises the alarm for.
Result<SealingKey> sealing_key_of(PgTransaction& tx, const Keyring& keyring, const std::optional<Uuid>& message_id,
                                  const std::optional<std::pair<std::string, std::string>>& wrapped, WallTime now);
void tell_of_key(Log& log, const Error& error);
// The same in a handler's transaction.
SealingKey sealing_key(Context& context, const std::optional<Uuid>& message_id, WallTime now);
// The key that sealed something then. None: it was purged.
std::optional<Secret> opening_key(Context& context, const std::string& sealed_by,
                                  const std::optional<Uuid>& message_id);

}  // namespace signet::api
