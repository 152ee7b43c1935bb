// Puts what was found on record and tells people, once each: a fault that stands is found again at every look.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/evidence/discrepancy.h"
#include "daemon/metrics.h"
#include "store/audit_log.h"

namespace signet {

class FaultRecord {  // any thread
 public:
  // `alarmed` hears of each fault once, when it is recorded.
  FaultRecord(const Clock& clock, IdSource& ids, Log& log, Metrics& metrics,
              std::function<void(const IntegrityFault&)> alarmed)
      : clock_(clock), ids_(ids), log_(log), metrics_(metrics), alarmed_(std::move(alarmed)) {}

  // `session` is the login signet_verify's, which can write nothing else.
  Result<void> record(PgSession& session, int level, const Discrepancies& findings) const;

 private:
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const std::function<void(const IntegrityFault&)> alarmed_;
};

// One line that names what failed: "leaf at 17, event 0193…, audit.entry 0193…".
std::string describe(const IntegrityFault& fault);
std::string describe(const Discrepancy& finding);

}  // namespace signet
