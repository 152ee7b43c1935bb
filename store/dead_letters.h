// Messages that failed for good, as a whole: how many a filter finds, and those of them that may be sent again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/messages.h"

namespace signet {

struct DeadLetters {
  WallTime as_of;                            // by the server's clock: what failed later is not counted
  int64_t count = 0;                         // of those that may be sent again
  std::map<std::string, int64_t> by_reason;  // of those: why they failed
  // Of the rest, by what stands in the way: useless by now, the recipient opted out, nothing left to send.
  int64_t expired = 0, suppressed = 0, erased = 0;
};
// As of now, or of then.
Result<DeadLetters> count_dead_letters(PgTransaction& tx, MessageFilter filter, std::optional<WallTime> as_of);

// The next of them past filter.after_id that may be sent again, in the order of their ids.
Result<std::vector<Uuid>> list_dead_letters(PgTransaction& tx, MessageFilter filter, WallTime as_of, int count_max);

}  // namespace signet
