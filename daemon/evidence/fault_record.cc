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

Result<void> FaultRecord::record(PgSession& session, int level, const Discrepancies& found) const {
  std::vector<IntegrityFault> faults;
  for (const auto& one : found)
    faults.push_back(
        {ids_.next(), level, one.what, one.seq, one.event_id, clock_.wall(), one.relation, one.row_key, false});
  return record_faults(session, faults, log_, metrics_, alarmed_);
}

}  // namespace signet
