// An audit entry as the store takes it: bytes and their leaf. What they say is the business of audit/.
#pragma once

#include <string>

#include "base/crypto.h"
#include "base/ids.h"

namespace signet {

struct Entry {
  Uuid event_id;
  Uuid object_id;  // the message, or what else the event is about; nil: nothing
  std::string canon;
  Digest leaf{};
};

struct Head {  // of one message's chain of events
  int64_t n = 0;
  Digest leaf{};
  bool operator==(const Head&) const = default;
};

}  // namespace signet
