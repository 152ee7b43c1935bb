// What is known of the evidence's integrity beside the log itself: verifications under way, who acknowledged which
// fault, anchors, guards. Each function is one step inside the caller's transaction or session.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/audit_log.h"
#include "store/pg_session.h"

namespace signet {

struct VerificationRun {  // under its task's id
  Uuid id;
  int64_t from = 0, to = 0, size = 0;
  Uuid message_id;
  int64_t entries = 0, checkpoints = 0, messages = 0, erased = 0;
  std::string faults = "[]";
  int64_t duration_ms = 0;
  WallTime at;
};
Result<std::optional<VerificationRun>> read_run(PgSession& session, const Uuid& id);
Result<void> write_run(PgSession& session, const VerificationRun& run);
Result<void> delete_run(PgSession& session, const Uuid& id);

struct Acknowledgement {
  Uuid fault_id, by_user;
  std::string reason;  // one of kAcknowledgementReasons
  WallTime at;
};
inline constexpr const char* kAcknowledgementReasons[] = {"investigated",   "restored", "hardware",
                                                          "operator_error", "attack",   "test"};
// conflict: somebody has acknowledged it already.
Result<void> insert_acknowledgement(PgTransaction& tx, const Acknowledgement& row);
Result<std::vector<Acknowledgement>> list_acknowledgements(PgTransaction& tx, const std::vector<Uuid>& faults);
Result<std::optional<IntegrityFault>> read_fault(PgTransaction& tx, const Uuid& id);
Result<bool> has_open_faults(PgTransaction& tx);

}  // namespace signet
