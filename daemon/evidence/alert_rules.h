// What needs a person: each rule looks at the database and says what it finds. One thread, one session at a time.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "store/alert_figures.h"

namespace signet {

struct AlertRule {
  std::string_view name, title, remedy;  // title and remedy are what people read
};
std::span<const AlertRule> alert_rules();
const AlertRule& find_rule(std::string_view name);  // of one that is none: a text that says so

struct AlertLimits {
  int64_t anchor_overdue_ms = 3'600'000, review_age_ms = 14'400'000, stuck_ms = 1'800'000, in_doubt_ms = 1'800'000;
  double failure_rate = 0.2;
  int log_in_burst = 20;
  std::vector<std::string> anchor_kinds;  // as configured; each is owed
};

struct AlertCause {
  std::string rule, subject;  // an alert is one of each pair
  int64_t count = 1;          // how many it is about
};

class AlertRules {
 public:
  AlertRules(AlertLimits limits, const Clock& clock, Log& log) : limits_(std::move(limits)), clock_(clock), log_(log) {}

  // All that stands now. It keeps what it has counted for the next time, so that a busy hour is not read again and
  // again; messages are looked at a slice at a time, all of them in turn.
  Result<std::vector<AlertCause>> look(PgSession& session);
  // Whether every message has been looked at since this was made: before, `lost` and `repeated` say less than is true.
  bool has_been_round() const { return has_been_round_; }
  void forget();  // what it has counted; another daemon has looked meanwhile

 private:
  Result<void> look_at_queue(PgSession& session, std::vector<AlertCause>& out);
  Result<void> look_at_attempts(PgSession& session, std::vector<AlertCause>& out);
  Result<void> look_at_messages(PgSession& session, std::vector<AlertCause>& out);
  Result<void> look_at_anchors(PgSession& session, std::vector<AlertCause>& out);
  Result<void> look_at_people(PgSession& session, std::vector<AlertCause>& out);
  void note(const std::vector<Uuid>& found, std::set<Uuid>& known, const char* rule);
  WallTime ago(int64_t ms) const { return {clock_.wall().us - ms * 1000}; }

  const AlertLimits limits_;
  const Clock& clock_;
  Log& log_;
  std::map<WallTime, MinuteOfAttempts> minutes_;  // of the last hour
  Uuid slice_after_;
  bool has_been_round_ = false;
  std::set<Uuid> lost_, repeated_;
};

}  // namespace signet
