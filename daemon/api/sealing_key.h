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

// Makes the day's key on its first use.
SealingKey sealing_key(Context& context, const std::optional<Uuid>& message_id, WallTime now);
// The key that sealed something then. None: it was purged.
std::optional<Secret> opening_key(Context& context, const std::string& sealed_by,
                                  const std::optional<Uuid>& message_id);

}  // namespace signet::api
