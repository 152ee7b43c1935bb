// The form in which both rows of an attempt are hashed into its event (attemptSha256), so that a changed row shows.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace signet {

struct AttemptRecord {  // attempt_start and attempt_result as stored
  Uuid message_id;
  int attempt_no = 0;
  std::string_view instance, provider, lane, route_reason;
  WallTime permitted_at;
  std::string_view outcome, reason, provider_reference, provider_code;
  int status_code = 0, parts = 1;
  WallTime started_at, finished_at;
};

Digest attempt_sha256(const AttemptRecord& record);  // SHA-256 of the RFC 8785 form
// Of a void, which has no result: nobody was to send.
Digest void_sha256(const Uuid& message_id, int attempt_no, std::string_view instance, WallTime at);

}  // namespace signet
