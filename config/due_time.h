// When a cron line comes due, in UTC.
#pragma once

#include <optional>

#include "base/clock.h"
#include "config/syntax.h"

namespace signet {

// The first whole minute past `after` that the line names; as in crontab(5), either day serves where both are
// restricted. None: there is none within the next eight years.
std::optional<WallTime> next_due(const Cron& cron, WallTime after);

}  // namespace signet
