// What does not verify is recorded once, alarms once, and is never mended.
#pragma once

#include <functional>
#include <vector>

#include "base/log.h"
#include "daemon/metrics.h"
#include "store/audit_log.h"

namespace signet {

using Alarmed = std::function<void(const IntegrityFault&)>;

// `session` is the login signet_verify's. Each fault that is new goes to the log, the metrics and `alarmed`.
Result<void> record_faults(PgSession& session, const std::vector<IntegrityFault>& faults, Log& log, Metrics& metrics,
                           const Alarmed& alarmed);

}  // namespace signet
