#include "daemon/evidence/schedules.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/due_time.h"
#include "daemon/evidence/entry_of.h"
#include "store/messages.h"
#include "store/tasks.h"

namespace signet {
namespace {

constexpr int64_t kOpenRunsMax = 12;  // of one schedule: what more was missed follows as these end

bool is_same(const ReportSchedule& a, const ReportSchedule& b) {
  return a.cron == b.cron && a.format == b.format && a.deliver_to == b.deliver_to;
}

}  // namespace

std::string report_parameters(const std::string& format, WallTime from, WallTime to, const Uuid& schedule_id,
                              const std::string& schedule_name) {
  nlohmann::json out{{"format", format}, {"from", rfc3339(from)}, {"to", rfc3339(to)}};
  if (!schedule_id.is_nil()) {
    out["schedule"] = schedule_name;
    out["scheduleId"] = schedule_id.text();
  }
  return out.dump();  // sorted by name; ASCII and no numbers: canonical as it is
}

bool Schedules::pass() {
  auto session = PgSession::open(postgres_);
  Result<void> done = session ? Result<void>() : Result<void>(session.error());
  if (done && !is_configured_) {
    done = take_configuration(**session);
    is_configured_ = done.ok();
  }
  if (done) done = ask_for_due(**session);
  if (!done)
    tell(done.error());
  else
    told_.clear();
  return false;
}

// The configuration's own are made, changed and ended as it says; those of the API are left alone.
Result<void> Schedules::take_configuration(PgSession& session) {
  PgTransaction tx(session);
  auto known = list_schedules(tx);
  if (!known) return known.error();
  const WallTime now = clock_.wall();
  for (const auto& wanted : configured_) {
    const auto found =
        std::find_if(known->begin(), known->end(), [&](const auto& one) { return one.name == wanted.name; });
    Result<void> done;
    if (found == known->end()) {
      ReportSchedule row = wanted;
      row.id = ids_.next();
      row.source = "configuration";
      row.created_at = row.covered_until = now;
      done = insert_schedule(tx, row);
      if (done) done = write(tx, "report_schedule_created", row);
    } else if (found->source != "configuration") {
      log_.warn("a report of the configuration has the name of a schedule made over the API: rename one of them",
                {{"report", wanted.name}});
    } else if (!is_same(*found, wanted)) {
      ReportSchedule row = *found;
      row.cron = wanted.cron;
      row.format = wanted.format;
      row.deliver_to = wanted.deliver_to;
      done = update_schedule(tx, row, true);
      if (done) done = write(tx, "report_schedule_changed", row);
    }
    if (!done) return done;
  }
  for (const auto& one : *known) {
    const bool is_wanted = std::any_of(configured_.begin(), configured_.end(),
                                       [&](const auto& wanted) { return wanted.name == one.name; });
    if (one.source != "configuration" || is_wanted) continue;
    auto done = end_schedule(tx, one.id, now);
    if (done) done = write(tx, "report_schedule_ended", one);
    if (!done) return done;
  }
  return tx.commit();
}

Result<void> Schedules::ask_for_due(PgSession& session) {
  PgTransaction tx(session);
  auto schedules = take_schedules(tx);
  if (!schedules) return schedules.error();
  std::vector<Uuid> asked;
  bool has_moved = false;
  for (auto& schedule : *schedules) {
    auto moved = ask_for_due(tx, schedule, asked);
    if (!moved) return moved.error();
    if (!*moved) continue;
    if (auto done = update_schedule(tx, schedule, false); !done) return done;
    has_moved = true;
  }
  if (!has_moved) return {};
  if (auto done = tx.commit(); !done) return done;
  for (const auto& id : asked) came_(id);
  return {};
}

// Its row is locked: nobody else asks for the same period, and the table's unique key would refuse it.
Result<bool> Schedules::ask_for_due(PgTransaction& tx, ReportSchedule& schedule, std::vector<Uuid>& asked) {
  const auto cron = parse_cron(schedule.cron);
  if (!cron) return Error{ErrorCode::corrupt, "a report schedule's cron line cannot be read: change or delete it"};
  const WallTime now = clock_.wall();
  bool has_moved = false;
  auto open = count_open_runs(tx, schedule.id);
  if (!open) return open.error();
  for (int64_t i = *open; i < kOpenRunsMax; i++) {
    const auto due = next_due(*cron, schedule.covered_until);
    if (!due || *due > now) break;
    if (auto room = check_room_(); !room) {  // it stays due
      tell(room.error());
      break;
    }
    const ReportRun run{ids_.next(), schedule.id, schedule.covered_until, *due, schedule.format, schedule.deliver_to,
                        "waiting",   "",          std::nullopt,           now};
    auto is_new = insert_run(tx, run);
    if (!is_new) return is_new.error();
    if (*is_new) {
      Task task;
      task.id = run.id;
      task.kind = "report";
      task.instance = instance_;
      task.asked_at = now;
      task.parameters = report_parameters(run.format, run.period_from, run.period_to, schedule.id, schedule.name);
      if (auto done = insert_task(tx, task); !done) return done.error();
      asked.push_back(run.id);
    }
    schedule.covered_until = *due;
    has_moved = true;
  }
  return has_moved;
}

Result<void> Schedules::write(PgTransaction& tx, const char* action, const ReportSchedule& schedule) {
  Event event;
  event.id = ids_.next();
  event.at = clock_.wall();
  event.actor = {instance_, "daemon", "", "", ""};
  event.action = action;
  event.object.type = "report_schedule";
  event.object.id = schedule.id.text();
  event.detail = {{"source", schedule.source}};
  return insert_entry(tx, entry_of(event, schedule.id));
}

void Schedules::tell(const Error& error) {
  if (told_ != error.text) log_.warn("reports wait", {{"reason", error.text}});
  told_ = error.text;
}

}  // namespace signet
