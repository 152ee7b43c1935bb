// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the reply of a request that created something is kept
// for 24 hours, sealed, in the transaction that created it; the same request again gets it, byte for byte. A refused
// request has created nothing: its repeat runs.
#pragma once

#include <optional>
#include <string_view>

#include "daemon/api/router.h"

namespace signet::api {

constexpr int64_t kRepliesKeptUs = 24 * 3600 * 1'000'000LL;

// The reply to give again, with `Idempotent-Replayed: true`. None: the request has no key, or is the first with it, and
// its reply will be kept by Context::commit(). Waits for the first while that runs. 422 if it came with another body.
std::optional<http::Response> first_reply(Context& context, std::string_view route);

void seal_reply(Context& context, KeptReply row, const http::Response& reply);

}  // namespace signet::api
