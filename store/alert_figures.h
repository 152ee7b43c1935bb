// What the alert rules look at. Questions of one session; counts, ids and names, no PHI.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

// Messages that wait for a review since before then.
Result<int64_t> count_in_review(PgSession& session, WallTime submitted_before);
// Due since before then, and still there; of a lane no more than 1,000 are counted.
Result<int64_t> count_stuck(PgSession& session, WallTime due_before);
Result<int64_t> count_in_doubt(PgSession& session, WallTime since_before);
Result<int64_t> count_refused_log_ins(PgSession& session, WallTime since);

struct MinuteOfAttempts {
  WallTime minute;
  int64_t attempts = 0, failed = 0;
};
// How attempts ended from then on, by minute, by at most the newest `entries_max` entries of the log: what a daemon
// that asks every half minute adds up to an hour.
Result<std::vector<MinuteOfAttempts>> count_attempts(PgSession& session, WallTime since, int entries_max);

// Break-glass that nobody else has looked at yet.
Result<std::vector<Uuid>> unreviewed_break_glass(PgSession& session);

struct Slice {                 // of the messages by id
  Uuid last;                   // where the next one begins; nil: the end was reached
  std::vector<Uuid> lost;      // queued, and nothing is due
  std::vector<Uuid> repeated;  // accepted more often than was decided
};
Result<Slice> look_at_messages(PgSession& session, const Uuid& after, int count_max);
// Which of these are still so.
Result<Slice> look_at_messages(PgSession& session, const std::vector<Uuid>& ids);

struct Undelivered {
  std::string name;  // a schedule's or a receiver's
  int64_t count = 0;
};
// Schedules whose last report reached nobody, and receivers who did not get their last notice since then: what was
// given up, or went as a message that failed.
Result<std::vector<Undelivered>> undelivered_reports(PgSession& session);
Result<std::vector<Undelivered>> undelivered_notices(PgSession& session, WallTime since);

}  // namespace signet
