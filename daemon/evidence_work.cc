#include "daemon/evidence_work.h"

#include <utility>

#include "daemon/assembly.h"
#include "daemon/evidence/entry_of.h"
#include "daemon/evidence/verification_task.h"

namespace signet {
namespace {

constexpr int64_t kSequenceEveryMs = 250;
constexpr int64_t kAlertsEveryMs = 2000;  // looks what is due; keeps the place, as the next two
constexpr int64_t kVerifyEveryMs = 2000;
constexpr int64_t kAnchorEveryMs = 2000;
constexpr int64_t kSchedulesEveryMs = 15000;

}  // namespace

EvidenceWork::EvidenceWork(const Parts& parts, const Means& means, std::function<bool()> is_busy)
    : parts_(parts),
      means_(means),
      sequencer_(means.sequencer_postgres, make_sequencer_settings(parts.config), means.log_key, parts.clock, parts.log,
                 parts.metrics),
      background_(parts.clock, std::move(is_busy)),
      verifier_(
          means.verifier_postgres, VerifierSettings{}, means.log_key, parts.clock, parts.ids, parts.log, parts.metrics,
          [this](const IntegrityFault& fault) { record_alarm(fault); }, &parts.keys, [this] { begin_nightly(); },
          &background_),
      faults_(parts.clock, parts.ids, parts.log, parts.metrics,
              [this](const IntegrityFault& fault) { record_alarm(fault); }),
      reporter_(make_reporter_settings(parts.config), means.log_key, means.messages, means.receivers, parts.clock,
                parts.ids, parts.log),
      schedules_(
          parts.postgres, make_report_schedules(parts.config), parts.config.instance, parts.clock, parts.ids, parts.log,
          [this] { return means_.tasks.check_room(); }, [this](const Uuid& id) { means_.tasks.came(id); }),
      alerts_(parts.postgres, make_alert_settings(parts.config, means.anchors.sources.kinds()), means.receivers,
              means.messages, parts.clock, parts.ids, parts.log, parts.metrics) {
  if (!means.anchors.sources.kinds().empty())
    anchors_.emplace(means.sequencer_postgres, means.verifier_postgres, means.anchors, means.log_key, parts.clock,
                     parts.random, parts.ids, parts.log, parts.metrics,
                     [this](const IntegrityFault& fault) { record_alarm(fault); });
  means.tasks.add(
      kVerificationTask,
      verification_work({means.verifier_postgres, means.log_key.name, parts.keys, parts.clock, &background_}, faults_),
      verification_ended(parts.config.instance, parts.ids, parts.clock));
  means.tasks.add(
      "report", [this](TaskRun& run) { return reporter_.make(run); },
      [this](PgTransaction& tx, const Task& task) { return reporter_.ended(tx, task); });
}

void EvidenceWork::start() {
  sequencer_worker_ = std::make_unique<Worker>(kSequenceEveryMs, [this] { return sequencer_.pass(); });
  verifier_worker_ = std::make_unique<Worker>(kVerifyEveryMs, [this] { return verifier_.pass(); });
  alerts_worker_ = std::make_unique<Worker>(kAlertsEveryMs, [this] { return alerts_.pass(); });
  schedules_worker_ = std::make_unique<Worker>(kSchedulesEveryMs, [this] { return schedules_.pass(); });
  if (anchors_) anchors_worker_ = std::make_unique<Worker>(kAnchorEveryMs, [this] { return anchors_->pass(); });
}

void EvidenceWork::stop() {
  sequencer_worker_->stop();
  background_.stop();
  verifier_worker_->stop();
  alerts_worker_->stop();
  schedules_worker_->stop();
  if (anchors_worker_) anchors_worker_->stop();
}

void EvidenceWork::join() {
  sequencer_worker_.reset();
  verifier_worker_.reset();
  alerts_worker_.reset();
  schedules_worker_.reset();
  anchors_worker_.reset();
}

void EvidenceWork::begin_nightly() {
  auto session = means_.pool.take();
  if (!session) return;  // asked again in an hour
  PgTransaction tx(**session);
  auto id = insert_nightly(tx, parts_.config.instance, parts_.ids, parts_.clock.wall());
  if (!id || !*id || !tx.commit().ok()) return;
  means_.tasks.came(**id);
}

// The fault is on record already, by the verifier's own login; the log says so too if it can.
void EvidenceWork::record_alarm(const IntegrityFault& fault) {
  Event event;
  event.id = parts_.ids.next();
  event.at = parts_.clock.wall();
  event.actor = {parts_.config.instance, "daemon", "", "", ""};
  event.action = "integrity_alarm";
  event.object.type = "log";
  event.detail = {{"fault", fault.what}, {"level", static_cast<int64_t>(fault.level)}};
  if (fault.seq) event.detail.emplace_back("row", *fault.seq);
  if (fault.event_id) event.detail.emplace_back("eventId", fault.event_id->text());
  if (!fault.relation.empty()) event.detail.emplace_back("table", fault.relation);
  if (!fault.row_key.empty()) event.detail.emplace_back("rowKey", fault.row_key);
  auto session = means_.pool.take();
  if (!session) return;
  PgTransaction tx(**session);
  if (insert_entry(tx, entry_of(event, {})).ok()) (void)tx.commit().ok();
}

}  // namespace signet
