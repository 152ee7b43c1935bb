// Puts what a verification found on record (daemon/evidence/faults.h), under ids of its own.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "daemon/evidence/discrepancy.h"
#include "daemon/evidence/faults.h"

namespace signet {

class FaultRecord {  // any thread
 public:
  FaultRecord(const Clock& clock, IdSource& ids, Log& log, Metrics& metrics, Alarmed alarmed)
      : clock_(clock), ids_(ids), log_(log), metrics_(metrics), alarmed_(std::move(alarmed)) {}

  // `session` is the login signet_verify's, which can write nothing else.
  Result<void> record(PgSession& session, int level, const Discrepancies& found) const;

 private:
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const Alarmed alarmed_;
};

// One line that names what failed: "leaf at 17, event 0193…, audit.entry 0193…".
std::string describe(const IntegrityFault& fault);
std::string describe(const Discrepancy& finding);

}  // namespace signet
