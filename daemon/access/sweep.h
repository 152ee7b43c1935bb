// Takes away what has had its time: kept replies after 24 hours, keys of webhooks after a week, sessions a month after
// they ended.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "store/pg_session.h"

namespace signet {

void sweep_access(PgPool& pool, const Clock& clock, Log& log);  // any thread; blocks. Logs what goes wrong

}  // namespace signet
