// An audit entry as the store takes it: bytes, their leaf, and what one searches by. What the bytes say is the business
// of audit/; daemon/evidence/entry_of.h makes the one from the other.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace signet {

struct Entry {
  Uuid event_id;
  Uuid object_id;  // the message, or what else the event is about; nil: nothing
  std::string canon;
  Digest leaf{};
  // A projection of canon; the verifier holds it equal.
  std::string action{};
  Uuid actor_id{};         // a user's; nil: the daemon, or nobody
  int status = 0;          // of message/message.h; 0: none
  std::string provider{};  // empty: none
  WallTime at{};
  bool operator==(const Entry&) const = default;
};

struct Head {  // of one message's chain of events
  int64_t n = 0;
  Digest leaf{};
  bool operator==(const Head&) const = default;
};

}  // namespace signet
