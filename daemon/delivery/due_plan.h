// Where and when a message's next attempt is due. Every due row that is written is made here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message/route.h"
#include "message/window.h"
#include "store/messages.h"

namespace signet {

struct DueFacts {
  Uuid id;
  Kind kind = Kind::sms;
  Priority priority = Priority::normal;
  std::string destination, time_zone;
  std::vector<std::string> tags;
  Uuid author_id;
  bool is_urgent = false;
  std::optional<WallTime> expires_at;
};
DueFacts due_facts(const MessageRow& message);

class DuePlan {  // any thread
 public:
  DuePlan(const Routes& routes, const QuietHours& quiet) : routes_(routes), quiet_(quiet) {}  // both outlive it
  // Not before `earliest`. None: no route leads there.
  std::optional<DueRow> row(const DueFacts& facts, int attempt_no, WallTime earliest) const;
  // Of a message that has its lane: the window at or after `earliest`.
  Window window(Priority priority, bool is_urgent, std::string_view time_zone, WallTime earliest,
                std::optional<WallTime> expires_at) const {
    return quiet_.window(priority, is_urgent, time_zone, earliest, expires_at);
  }

 private:
  const Routes& routes_;
  const QuietHours& quiet_;
};

}  // namespace signet
