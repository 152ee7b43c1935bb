// How much waits where, for people.
#pragma once

#include <string>
#include <vector>

#include "message/message.h"
#include "store/pg_session.h"

namespace signet {

struct LaneFigures {
  Priority priority = Priority::normal;
  std::string lane;
  int64_t due = 0, scheduled = 0;  // to be sent now; later
  int64_t oldest_due_ms = 0;       // how long the first of those due has waited
};
// By priority and lane, as far as anything is there. Reads every due row: a fraction of a second for a million.
Result<std::vector<LaneFigures>> read_lane_figures(PgTransaction& tx);

}  // namespace signet
