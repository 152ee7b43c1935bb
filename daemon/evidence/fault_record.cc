#include "daemon/evidence/fault_record.h"

namespace signet {

std::string describe(const Discrepancy& finding) {
  std::string out = finding.what;
  if (finding.seq) out += " at " + std::to_string(*finding.seq);
  if (finding.event_id) out += ", event " + finding.event_id->text();
  // An entry's key is its event, a place's its number: said already.
  const bool is_said = (finding.event_id && finding.row_key == finding.event_id->text()) ||
                       (finding.seq && finding.row_key == std::to_string(*finding.seq));
  if (!finding.relation.empty() && !is_said) out += ", " + finding.relation + " " + finding.row_key;
  return out;
}

std::string describe(const IntegrityFault& fault) {
  return describe(Discrepancy{fault.what, fault.seq, fault.event_id, fault.relation, fault.row_key});
}

Result<void> FaultRecord::record(PgSession& session, int level, const Discrepancies& findings) const {
  for (const auto& finding : findings) {
    const IntegrityFault fault{ids_.next(),      level,         finding.what,     finding.seq,
                               finding.event_id, clock_.wall(), finding.relation, finding.row_key};
    auto is_new = insert_fault(session, fault);
    if (!is_new) return is_new.error();
    if (!*is_new) continue;
    metrics_.add("signet_alarm", "reason=\"integrity\"");
    log_.error("ALARM: evidence does not verify", {{"fault", fault.what},
                                                   {"seq", fault.seq ? std::to_string(*fault.seq) : ""},
                                                   {"event_id", fault.event_id ? fault.event_id->text() : ""},
                                                   {"table", fault.relation},
                                                   {"row", fault.row_key}});
    if (alarmed_) alarmed_(fault);
  }
  auto count = count_faults(session);
  if (!count) return count.error();
  metrics_.set("signet_integrity_faults", "", *count);
  return {};
}

}  // namespace signet
