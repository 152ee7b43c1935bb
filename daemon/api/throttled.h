// Refusals over a limit, so that they do not flood the audit log: the first of somebody is an event at once, those of
// the next minute are one more, with their number.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "audit/event.h"
#include "base/clock.h"

namespace signet::api {

class Throttled {  // any thread
 public:
  // The event to write now, with detail.count; none: it is counted. `who`: one a caller and class.
  std::optional<Event> count(const std::string& who, Event event, Tick now);
  // Events whose minute is over, each with its count and the time of its last refusal; the ids are to be made anew.
  std::vector<Event> overdue(Tick now);

 private:
  struct Counted {
    Tick since;
    int64_t count = 0;  // not written yet
    Event last;
  };
  std::mutex lock_;
  std::map<std::string, Counted> counted_;
};

}  // namespace signet::api
