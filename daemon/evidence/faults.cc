#include "daemon/evidence/faults.h"

namespace signet {

Result<void> record_faults(PgSession& session, const std::vector<IntegrityFault>& faults, Log& log, Metrics& metrics,
                           const Alarmed& alarmed) {
  for (const auto& fault : faults) {
    auto is_new = insert_fault(session, fault);
    if (!is_new) return is_new.error();
    if (!*is_new) continue;
    metrics.add("signet_alarm", "reason=\"integrity\"");
    log.error("ALARM: evidence does not verify", {{"fault", fault.what},
                                                  {"seq", fault.seq ? std::to_string(*fault.seq) : ""},
                                                  {"event_id", fault.event_id ? fault.event_id->text() : ""},
                                                  {"table", fault.relation},
                                                  {"row", fault.row_key}});
    if (alarmed) alarmed(fault);
  }
  auto count = count_faults(session);
  if (!count) return count.error();
  metrics.set("signet_integrity_faults", "", *count);
  return {};
}

}  // namespace signet
