// A message between claim and ack, as one delivery loop knows it.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "providers/provider.h"
#include "store/journal.h"

namespace signet {

struct Flight {
  Uuid id;
  Priority priority = Priority::normal;
  std::string lane;
  std::string pinned_provider, avoid;  // of the due row, once known
  std::string provider, route_reason;  // as admitted
  bool has_choice = false;
  bool is_look = false;        // nobody claimed it: it is only to be ended or moved, if it has to be
  bool is_admitted = false;    // a slot of its provider is held for it
  bool was_unknown = false;    // a COMMIT that may have granted it was lost
  bool is_given_back = false;  // its hint is somebody else's
  Permit permit;
  Tick deadline{};           // of its first byte
  bool has_started = false;  // its token is spent
  Outbound outbound;
  WallTime started_at, finished_at;
  Outcome outcome;
  bool is_sending = false;
  bool has_outcome = false;
  bool is_spooled = false;           // its result waits in the spool too
  bool is_bare = false;              // its result was refused once, and goes without the provider's words
  std::optional<WallTime> next_due;  // of the next attempt: the hint goes back instead of away
};

}  // namespace signet
