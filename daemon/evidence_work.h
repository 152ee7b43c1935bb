// What makes the log and holds it against the rest: sequencer, verifier, anchors; and what is told of it: alerts and
// scheduled reports. Each has a thread of its own between start() and join(). Made, started, stopped and joined by the
// main loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "daemon/delivery/worker.h"
#include "daemon/evidence/alerts.h"
#include "daemon/evidence/anchors.h"
#include "daemon/evidence/background_share.h"
#include "daemon/evidence/fault_record.h"
#include "daemon/evidence/reporter.h"
#include "daemon/evidence/schedules.h"
#include "daemon/evidence/sequencer.h"
#include "daemon/evidence/tasks.h"
#include "daemon/evidence/verifier.h"
#include "daemon/parts.h"
#include "store/pg_session.h"

namespace signet {

class EvidenceWork {
 public:
  struct Means {  // outlive this, but for `tasks`, whose workers are joined before
    PgPool& pool;
    const PgOptions& sequencer_postgres;
    const PgOptions& verifier_postgres;
    const LogKey& log_key;
    const AnchorSettings& anchors;  // without sources: nothing is anchored
    const Receivers& receivers;
    SystemMessages& messages;
    Tasks& tasks;
  };

  // Adds its kinds to the tasks. `is_busy`: as BackgroundShare's.
  EvidenceWork(const Parts& parts, const Means& means, std::function<bool()> is_busy);
  void start();
  void stop();  // only begins to; nobody rests in the background from now on
  void join();

 private:
  void begin_nightly();
  void record_alarm(const IntegrityFault& fault);

  const Parts parts_;
  const Means means_;
  Sequencer sequencer_;
  BackgroundShare background_;
  Verifier verifier_;
  FaultRecord faults_;
  Reporter reporter_;
  Schedules schedules_;
  Alerts alerts_;
  std::optional<Anchors> anchors_;
  std::unique_ptr<Worker> sequencer_worker_, verifier_worker_, alerts_worker_, schedules_worker_, anchors_worker_;
};

}  // namespace signet
