// To whom what was said about a patient, or to a recipient, was disclosed: the entries of the log that are disclosures.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/pg_session.h"

namespace signet {

struct DisclosureEntry {
  Uuid event_id;
  Uuid message_id;              // nil: of those that name none
  std::string canon;            // of the event
  bool is_break_glass = false;  // its actor's reading was widened at that moment
};
// What was sent, delivered, or read with its content, of these messages, in order of time.
Result<std::vector<DisclosureEntry>> list_disclosures(PgTransaction& tx, const std::vector<Uuid>& messages,
                                                      std::optional<WallTime> from, std::optional<WallTime> before);
// Exports and readings of the log that took content with them and name no message; the newest first.
Result<std::vector<DisclosureEntry>> list_wide_disclosures(PgTransaction& tx, std::optional<WallTime> from,
                                                           std::optional<WallTime> before, int count_max);

}  // namespace signet
