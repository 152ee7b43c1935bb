// From the configuration's words to the parts' own settings. The rooms do not see each other; this is where they meet.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "config/config.h"
#include "daemon/access/limits.h"
#include "daemon/api/api.h"
#include "daemon/delivery/delivery_loop.h"
#include "daemon/delivery/due_plan.h"
#include "daemon/delivery/inbounds.h"
#include "daemon/delivery/notifier.h"
#include "daemon/delivery/reconciler.h"
#include "daemon/evidence/alerts.h"
#include "daemon/evidence/anchors.h"
#include "daemon/evidence/purge.h"
#include "daemon/evidence/receivers.h"
#include "daemon/evidence/reporter.h"
#include "daemon/evidence/sequencer.h"
#include "daemon/evidence/tasks.h"
#include "daemon/intake/redis_intake.h"
#include "message/window.h"
#include "store/keyring.h"
#include "store/report_schedules.h"

namespace signet {

Result<Keyring> make_keyring(const Config& config, Random& random);
Result<PgOptions> make_postgres_options(const Config& config);
Result<RedisOptions> make_redis_options(const Config& config);
Result<IntakeKey> make_intake_key(const Config& config);
RedisIntakeSettings make_intake_settings(const Config& config);
// Whole limits; a loop gets its share of the slots by share_of(), the rest is shared by all loops through the Pace.
Result<std::map<std::string, LoopProvider>> make_providers(const Config& config);
LoopProvider share_of(const LoopProvider& provider, int loops);
std::unique_ptr<Pace> make_pace(const Config& config, const std::map<std::string, LoopProvider>& providers, Tick now);
Routes make_routes(const Config& config);
Result<std::unique_ptr<QuietHours>> make_quiet_hours(const Config& config);
DeliverySettings make_delivery_settings(const Config& config);
// What an earlier run left in it is told to `log`.
Result<std::unique_ptr<Spool>> open_result_spool(const Config& config, Log& log);
ReconcilerSettings make_reconciler_settings(const Config& config);
std::map<std::string, DoubtProvider> doubt_providers(const std::map<std::string, LoopProvider>& providers);
SequencerSettings make_sequencer_settings(const Config& config);
PurgeSettings make_purge_settings(const Config& config);
Result<AnchorSettings> make_anchor_settings(const Config& config);
TaskSettings make_task_settings(const Config& config);
InboundSettings make_inbound_settings(const Config& config);
Result<Receivers> make_receivers(const Config& config);
Result<NotifierSettings> make_notifier_settings(const Config& config);
AlertSettings make_alert_settings(const Config& config, const std::vector<std::string>& anchor_kinds);
ReporterSettings make_reporter_settings(const Config& config);
std::vector<ReportSchedule> make_report_schedules(const Config& config);
Quotas make_quotas(const Config& config);
api::ApprovalPolicy make_approval_policy(const Config& config);
int loop_count(const Config& config);

}  // namespace signet
