// Asks for the reports that are due, one for each period of each schedule: after a downtime also those of the periods
// that were missed. A period reaches from the due time before to this one; the first begins when the schedule was made.
// Every daemon looks; who inserts a period's row makes its report. One thread.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "store/pg_session.h"
#include "store/report_schedules.h"

namespace signet {

// Parameters of a task of kind "report", canonical JSON. `schedule_id` nil: somebody asked for it.
std::string report_parameters(const std::string& format, WallTime from, WallTime to, const Uuid& schedule_id,
                              const std::string& schedule_name);

class Schedules {
 public:
  // `configured`: name, cron, format and deliver_to of each. `check_room` says why no task is taken now; `came` hears
  // of a task that was asked for.
  Schedules(PgOptions postgres, std::vector<ReportSchedule> configured, std::string instance, const Clock& clock,
            IdSource& ids, Log& log, std::function<Result<void>()> check_room, std::function<void(const Uuid&)> came)
      : postgres_(std::move(postgres)),
        configured_(std::move(configured)),
        instance_(std::move(instance)),
        clock_(clock),
        ids_(ids),
        log_(log),
        check_room_(std::move(check_room)),
        came_(std::move(came)) {}

  bool pass();  // true: there is more to do at once

 private:
  Result<void> take_configuration(PgSession& session);
  Result<void> ask_for_due(PgSession& session);
  Result<bool> ask_for_due(PgTransaction& tx, ReportSchedule& schedule, std::vector<Uuid>& asked);
  Result<void> write(PgTransaction& tx, const char* action, const ReportSchedule& schedule);
  void tell(const Error& error);

  const PgOptions postgres_;
  const std::vector<ReportSchedule> configured_;
  const std::string instance_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  const std::function<Result<void>()> check_room_;
  const std::function<void(const Uuid&)> came_;
  bool is_configured_ = false;
  std::string told_;
};

}  // namespace signet
