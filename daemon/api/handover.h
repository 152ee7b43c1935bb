// A message that a back end approved in its own screens and hands over: drafted, signed by enrolled keys, queued in one
// step (design: product, "Ways in"). The signers' statements are theirs, so id and salt come with them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/body.h"
#include "daemon/api/content.h"
#include "queue/queue.h"

namespace signet::api {

struct Handover {
  Uuid id;                             // UUIDv7, within 24 hours
  std::string salt;                    // 32 octets
  std::vector<std::string> approvals;  // DSSE envelopes, one a signer
};

// Members id, salt, approvals: all or none.
std::optional<Handover> read_handover(Members& members, WallTime now);

// The message was inserted in this transaction and waits for review. Each signer is held to review's rules; the last
// approval has to make the quorum whole. Returns the message as queued; refuses, or leaves in `hints` what became due.
MessageRow approve_handed_over(Context& context, const Uuid& id, const Handover& handover, std::vector<Hint>& hints);

}  // namespace signet::api
