// What signatures of callbacks cover once. A key that came before is of a repeat if all else is the same too.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "store/pg_session.h"

namespace signet {

enum class WebhookKey { first, repeat, reused };  // reused: it came with something else before

// Waits for who is at the same key. Digests of 32 octets.
Result<WebhookKey> keep_webhook_key(PgTransaction& tx, const std::string& provider, std::string_view key_sha256,
                                    std::string_view told_sha256, WallTime seen_at);
Result<int64_t> delete_webhook_keys(PgTransaction& tx, WallTime seen_before);

}  // namespace signet
