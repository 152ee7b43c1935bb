// Reading in an emergency: who opened it, until when, why (sealed), and who looked at it afterwards.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct BreakGlassRow {
  Uuid id, user_id;
  std::string sealed_by;  // the day of its day key
  std::string reason;     // sealed
  WallTime opened_at, until;
  std::optional<Uuid> reviewed_by;
  std::optional<WallTime> reviewed_at;
};

Result<void> insert_break_glass(PgTransaction& tx, const BreakGlassRow& row);
Result<std::vector<BreakGlassRow>> list_break_glass(PgTransaction& tx, int count_max);  // unreviewed first, then newest
Result<std::optional<BreakGlassRow>> lock_break_glass(PgTransaction& tx, const Uuid& id);
Result<void> review_break_glass(PgTransaction& tx, const Uuid& id, const Uuid& reviewer_id, WallTime now);

}  // namespace signet
