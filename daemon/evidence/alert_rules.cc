#include "daemon/evidence/alert_rules.h"

#include <algorithm>

#include "store/anchors.h"
#include "store/audit_log.h"

namespace signet {
namespace {

constexpr int64_t kWeekMs = int64_t{7} * 86'400'000;  // a receiver that is gone from the configuration is forgotten
constexpr int64_t kHourMs = 3'600'000, kMinuteMs = 60'000;
constexpr int64_t kLogInsWithinMs = 600'000;
constexpr int64_t kAttemptsMin = 20;        // fewer say nothing about a rate
constexpr int64_t kLateMs = 2 * kMinuteMs;  // a commit may come so long after its event's time
constexpr int kEntriesMax = 50'000;         // of a busy system a sample: a share is what is asked for
constexpr int kSliceSize = 20000;
constexpr size_t kKnownMax = 10000;

constexpr AlertRule kRules[] = {
    {"integrity", "Evidence does not verify",
     "Find out who wrote to the database: GET /api/integrity names what failed. Nothing is repaired by itself."},
    {"anchor_overdue", "The log is not anchored outside of the database",
     "Look whether the witness, the time-stamping authority or the folder can be reached."},
    {"review_age", "Messages wait too long for a review", "GET /api/message-workflow/pending-review lists them."},
    {"failure_rate", "Too many delivery attempts fail",
     "Look at the provider and its account; GET /api/audit-logs says why."},
    {"log_in_burst", "Many log-ins are refused", "Somebody may be guessing passwords: see the events login_refused."},
    {"lost", "A message is queued, and nothing is due",
     "The daemon's log names it. It is not sent by itself: tell the maintainers."},
    {"repeated", "A message was accepted more than once",
     "The daemon's log names it. Its recipient may have got it twice: tell the maintainers."},
    {"stuck", "Messages are due and are not sent", "Look whether Redis and the provider are there: GET /readyz."},
    {"in_doubt", "Messages are in doubt for too long", "A person has to decide what happened to each."},
    {"report_undelivered", "A scheduled report did not reach its receiver",
     "Its file is kept: GET /api/report-schedules names the task. Mend the address or the folder."},
    {"alert_undelivered", "A receiver did not get an alert", "Look whether its address or webhook is right."},
    {"break_glass", "Somebody reads beyond their role",
     "Another administrator or an auditor reviews it: GET /api/break-glass."},
    {"test", "This is a test", "Nothing is wrong. Somebody tries whether alerts arrive."},
};

}  // namespace

std::span<const AlertRule> alert_rules() { return kRules; }

const AlertRule& find_rule(std::string_view name) {
  static constexpr AlertRule kNone{"", "An alert of another version of signetd", "Run one version everywhere."};
  const auto found = std::find_if(std::begin(kRules), std::end(kRules), [&](const auto& r) { return r.name == name; });
  return found == std::end(kRules) ? kNone : *found;
}

Result<std::vector<AlertCause>> AlertRules::look(PgSession& session) {
  std::vector<AlertCause> out;
  auto faults = count_faults(session);
  if (!faults) return faults.error();
  if (*faults > 0) out.push_back({"integrity", "", *faults});
  for (auto part : {&AlertRules::look_at_queue, &AlertRules::look_at_attempts, &AlertRules::look_at_messages,
                    &AlertRules::look_at_anchors, &AlertRules::look_at_people})
    if (auto done = (this->*part)(session, out); !done) return done.error();
  return out;
}

void AlertRules::forget() {
  minutes_.clear();
  lost_.clear();
  repeated_.clear();
  slice_after_ = {};
  has_been_round_ = false;
}

Result<void> AlertRules::look_at_queue(PgSession& session, std::vector<AlertCause>& out) {
  const struct {
    const char* rule;
    Result<int64_t> count;
  } counted[] = {{"review_age", count_in_review(session, ago(limits_.review_age_ms))},
                 {"stuck", count_stuck(session, ago(limits_.stuck_ms))},
                 {"in_doubt", count_in_doubt(session, ago(limits_.in_doubt_ms))}};
  for (const auto& [rule, count] : counted) {
    if (!count) return count.error();
    if (*count > 0) out.push_back({rule, "", *count});
  }
  return {};
}

Result<void> AlertRules::look_at_attempts(PgSession& session, std::vector<AlertCause>& out) {
  const WallTime hour_ago = ago(kHourMs);
  const WallTime from =
      minutes_.empty() ? hour_ago : std::max(hour_ago, WallTime{minutes_.rbegin()->first.us - kLateMs * 1000});
  // Whole minutes, since what is read replaces what is known.
  const WallTime since{from.us - from.us % (kMinuteMs * 1000)};
  auto minutes = count_attempts(session, since, kEntriesMax);
  if (!minutes) return minutes.error();
  // What was counted of a minute before may be more, if the sample ends within it now.
  for (const auto& minute : *minutes)
    if (auto& known = minutes_[minute.minute]; minute.attempts > known.attempts) known = minute;
  minutes_.erase(minutes_.begin(), minutes_.lower_bound(hour_ago));
  int64_t attempts = 0, failed = 0;
  for (const auto& [time, minute] : minutes_) {
    attempts += minute.attempts;
    failed += minute.failed;
  }
  if (attempts >= kAttemptsMin && static_cast<double>(failed) > limits_.failure_rate * static_cast<double>(attempts))
    out.push_back({"failure_rate", "", failed});
  return {};
}

void AlertRules::note(const std::vector<Uuid>& found, std::set<Uuid>& known, const char* rule) {
  for (const auto& id : found)
    if (known.size() < kKnownMax && known.insert(id).second)
      log_.error("ALARM: a message's rows contradict each other", {{"alarm", rule}, {"message_id", id.text()}});
}

// What was found is asked about again, and the next slice looked at.
Result<void> AlertRules::look_at_messages(PgSession& session, std::vector<AlertCause>& out) {
  std::set<Uuid> known = lost_;
  known.insert(repeated_.begin(), repeated_.end());
  if (!known.empty()) {
    auto still = signet::look_at_messages(session, std::vector<Uuid>(known.begin(), known.end()));
    if (!still) return still.error();
    lost_ = {still->lost.begin(), still->lost.end()};
    repeated_ = {still->repeated.begin(), still->repeated.end()};
  }
  auto slice = signet::look_at_messages(session, slice_after_, kSliceSize);
  if (!slice) return slice.error();
  note(slice->lost, lost_, "lost");
  note(slice->repeated, repeated_, "repeated");
  slice_after_ = slice->last;
  has_been_round_ = has_been_round_ || slice_after_.is_nil();
  if (!lost_.empty()) out.push_back({"lost", "", static_cast<int64_t>(lost_.size())});
  if (!repeated_.empty()) out.push_back({"repeated", "", static_cast<int64_t>(repeated_.size())});
  return {};
}

Result<void> AlertRules::look_at_anchors(PgSession& session, std::vector<AlertCause>& out) {
  for (const auto& kind : limits_.anchor_kinds) {
    auto waiting_ms = unanchored_ms(session, kind);
    if (!waiting_ms) return waiting_ms.error();
    if (*waiting_ms > limits_.anchor_overdue_ms) out.push_back({"anchor_overdue", kind, 1});
  }
  return {};
}

Result<void> AlertRules::look_at_people(PgSession& session, std::vector<AlertCause>& out) {
  auto refused = count_refused_log_ins(session, ago(kLogInsWithinMs));
  if (!refused) return refused.error();
  if (*refused >= limits_.log_in_burst) out.push_back({"log_in_burst", "", *refused});
  auto glass = unreviewed_break_glass(session);
  if (!glass) return glass.error();
  for (const auto& id : *glass) out.push_back({"break_glass", id.text(), 1});
  auto reports = undelivered_reports(session);
  if (!reports) return reports.error();
  for (const auto& one : *reports) out.push_back({"report_undelivered", one.name, one.count});
  auto notices = undelivered_notices(session, ago(kWeekMs));
  if (!notices) return notices.error();
  for (const auto& one : *notices) out.push_back({"alert_undelivered", one.name, one.count});
  return {};
}

}  // namespace signet
