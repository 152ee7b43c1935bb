// Makes compliance reports: counts in one snapshot, proves that the log of the period's end extends that of its
// beginning, writes the file, and hands a scheduled one to its receiver. Tasks of the kind "report". Any thread.
#pragma once

#include <string>

#include "audit/report.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/evidence/receivers.h"
#include "daemon/evidence/sequencer.h"
#include "daemon/evidence/system_message.h"
#include "daemon/evidence/tasks.h"

namespace signet {

struct ReporterSettings {
  std::string instance, version;
  int retention_years = 7, quorum = 2;
};

class Reporter {
 public:
  Reporter(ReporterSettings settings, const LogKey& key, SystemMessages& messages, const Receivers& receivers,
           const Clock& clock, IdSource& ids, Log& log)
      : settings_(std::move(settings)),
        key_(key),
        messages_(messages),
        receivers_(receivers),
        clock_(clock),
        ids_(ids),
        log_(log) {}

  Result<TaskEnd> make(TaskRun& run);
  // The event, and what became of a scheduled report: mailed, laid into its folder, or kept because its receiver is
  // gone.
  Result<void> ended(PgTransaction& tx, const Task& task);

  // The report of a period as canonical JSON; `session` has no transaction.
  Result<std::string> json(PgSession& session, WallTime from, WallTime to, const std::string& made_for);

 private:
  Result<Consistency> check_ends(PgSession& session, const LogFigures& log, int& proof_hashes);
  Result<void> write_event(PgTransaction& tx, const Task& task, const std::string& json_sha256, bool is_delivered,
                           bool is_scheduled);
  Result<void> deliver(PgTransaction& tx, const Task& task, bool is_laid, std::string failure, bool& is_delivered);

  const ReporterSettings settings_;
  const LogKey& key_;
  SystemMessages& messages_;
  const Receivers& receivers_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
};

}  // namespace signet
