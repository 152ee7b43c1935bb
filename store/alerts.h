// Alerts as they stand, and what each receiver was told of them. Each function is one step inside the caller's
// transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct AlertRow {
  Uuid id;
  std::string rule, subject;  // codes and ids, no PHI
  int64_t count = 1;          // how many it is about, as seen last
  WallTime first_at, last_at;
  int notices = 0;  // rounds of telling
  std::optional<WallTime> notified_at;
  std::optional<Uuid> acknowledged_by;
  std::optional<WallTime> acknowledged_at, resolved_at;
};

enum class AlertState { open, acknowledged, resolved };  // resolved ones may have been acknowledged before
std::string_view name(AlertState state);
std::optional<AlertState> parse_alert_state(std::string_view text);
AlertState state_of(const AlertRow& alert);

Result<void> insert_alert(PgTransaction& tx, const AlertRow& row);
Result<std::vector<AlertRow>> unresolved_alerts(PgTransaction& tx);
Result<void> touch_alert(PgTransaction& tx, const Uuid& id, int64_t count, WallTime now);
Result<void> resolve_alert(PgTransaction& tx, const Uuid& id, WallTime now);
Result<void> note_round(PgTransaction& tx, const Uuid& id, WallTime now);  // its receivers are being told
Result<std::optional<AlertRow>> lock_alert(PgTransaction& tx, const Uuid& id);
Result<void> acknowledge_alert(PgTransaction& tx, const Uuid& id, const Uuid& user_id, WallTime now);
// Open ones first, then acknowledged, then resolved; within each the newest first. `after`: the last one shown before.
Result<std::vector<AlertRow>> list_alerts(PgTransaction& tx, const std::optional<AlertState>& state,
                                          const std::optional<Uuid>& after, int count_max);

struct AlertNotice {
  Uuid id, alert_id;
  std::string receiver;
  WallTime made_at;
  std::optional<WallTime> due_at;  // none: it is over
  int tries = 0;
  std::string failure;
  std::optional<Uuid> message_id;
};
Result<void> insert_notice(PgTransaction& tx, const AlertNotice& notice);
Result<std::vector<AlertNotice>> due_notices(PgTransaction& tx, WallTime now, int count_max);  // the oldest first
Result<void> update_notice(PgTransaction& tx, const AlertNotice& notice);  // due_at, tries, failure, message_id
Result<std::optional<AlertRow>> read_alert(PgTransaction& tx, const Uuid& id);

}  // namespace signet
