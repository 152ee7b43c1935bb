// The verification of the log as a task: on demand and once a night. How far it is stands in the database, so that the
// daemon that takes it again goes on from there.
#pragma once

#include <optional>
#include <string>

#include "daemon/evidence/fault_record.h"
#include "daemon/evidence/tasks.h"
#include "daemon/evidence/verification.h"

namespace signet {

constexpr char kVerificationTask[] = "verification";

// The task's parameters, canonical JSON {from, to}; what is absent is the log's own end.
std::string verification_parameters(std::optional<int64_t> from, std::optional<int64_t> to);

// The log's name, keys and clock in `parts`, and `record`, outlive the work. Faults are recorded as they are found, as
// level 3; one of the whole log leaves its size, root and time as level 3's.
TaskWork verification_work(VerificationParts parts, const FaultRecord& record);
// The event integrity_check, by the daemon.
TaskEnded verification_ended(std::string instance, IdSource& ids, const Clock& clock);

// Inserts the nightly one, unless one is waiting or running. Its id; none: it was not needed.
Result<std::optional<Uuid>> insert_nightly(PgTransaction& tx, const std::string& instance, IdSource& ids, WallTime now);

}  // namespace signet
