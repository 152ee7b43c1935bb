#include "daemon/metrics.h"

#include <array>
#include <utility>

namespace signet {
namespace {

struct Family {
  std::string_view name, type, help;
};
// Every family there is, so that a graph has its zero from the first scrape on.
constexpr std::array kFamilies{
    Family{"signet_alarm", "counter", "What a person has to look at, by reason"},
    Family{"signet_alert_notices_total", "counter", "Notices of alerts, by outcome"},
    Family{"signet_alerts_open", "gauge", "Alerts that nobody has acknowledged"},
    Family{"signet_alerts_raised_total", "counter", "Alerts raised, by rule"},
    Family{"signet_anchor_age_seconds", "gauge", "Age of the newest anchored checkpoint, by anchor"},
    Family{"signet_anchors_failed_total", "counter", "Checkpoints that an anchor did not take, by anchor"},
    Family{"signet_anchors_total", "counter", "Checkpoints given to an anchor, by anchor"},
    Family{"signet_attempts_total", "counter", "Attempts that ended, by provider and outcome"},
    Family{"signet_breaker_open", "gauge", "1 while a provider's breaker is not closed, by provider"},
    Family{"signet_callbacks_total", "counter", "Callbacks, by provider and verdict"},
    Family{"signet_claimed_total", "counter", "Hints claimed"},
    Family{"signet_due", "gauge", "Messages that are due now"},
    Family{"signet_duplicate_total", "counter", "Messages that were sent twice without a decision; must stay 0"},
    Family{"signet_in_flight", "gauge", "Messages between claim and acknowledgement"},
    Family{"signet_inbounds_total", "counter", "What people wrote to our numbers, by provider and word"},
    Family{"signet_intake_total", "counter", "Messages read from the intake stream, by verdict"},
    Family{"signet_integrity_faults", "gauge", "Faults on record that verification found"},
    Family{"signet_keys_to_rewrap", "gauge", "Data keys that are still wrapped under a previous key"},
    Family{"signet_log_lag_ms", "gauge", "How long the oldest entry without a place in the log has waited"},
    Family{"signet_log_scrubbed_size", "gauge", "Entries that the background scrub has read again"},
    Family{"signet_log_signed_size", "gauge", "Entries under the newest checkpoint, on the daemon that sequences"},
    Family{"signet_log_size", "gauge", "Entries in the log, on the daemon that sequences"},
    Family{"signet_log_verified_size", "gauge", "Entries read again and found whole, on the daemon that verifies"},
    Family{"signet_lost_total", "counter", "Queued messages that nothing will send; must stay 0"},
    Family{"signet_messages", "gauge", "Messages by status"},
    Family{"signet_oldest_due_ms", "gauge", "How long the oldest due message has waited"},
    Family{"signet_orphan_callbacks", "gauge", "Callbacks that fit no message yet"},
    Family{"signet_permits_total", "counter", "Permits asked for, by verdict"},
    Family{"signet_postgres_up", "gauge", "1 while the delivery loops reach PostgreSQL"},
    Family{"signet_purged_messages", "gauge", "Messages whose content was erased"},
    Family{"signet_reconciler_leader", "gauge", "1 on the daemon that reconciles"},
    Family{"signet_redis_up", "gauge", "1 while the delivery loops reach Redis"},
    Family{"signet_relay_leader", "gauge", "1 on the daemon that relays"},
    Family{"signet_result_spool_rows", "gauge", "Results that wait in the spool for PostgreSQL"},
    Family{"signet_sequencer_leader", "gauge", "1 on the daemon that sequences the log"},
    Family{"signet_spool_bytes", "gauge", "Octets of exports and reports in the spool"},
    Family{"signet_status_notices_total", "counter", "Status events told to services, by outcome"},
    Family{"signet_tasks_total", "counter", "Tasks that ended, by kind and state"},
    Family{"signet_tokens_leased_total", "counter", "Tokens of a provider's rate taken from Redis, by provider"},
    Family{"signet_unconfirmed", "gauge", "Messages sent that no receipt has confirmed within the provider's time"},
};

}  // namespace

void Metrics::add(std::string_view name, std::string_view labels, int64_t amount) {
  std::lock_guard guard(lock_);
  auto family = values_.find(name);
  if (family == values_.end()) family = values_.emplace(std::string(name), decltype(family->second){}).first;
  auto value = family->second.find(labels);
  if (value == family->second.end())
    family->second.emplace(std::string(labels), amount);
  else
    value->second += amount;
}

void Metrics::set(std::string_view name, std::string_view labels, int64_t value) {
  std::lock_guard guard(lock_);
  values_[std::string(name)][std::string(labels)] = value;
}

int64_t Metrics::value(std::string_view name, std::string_view labels) const {
  std::lock_guard guard(lock_);
  const auto family = values_.find(name);
  if (family == values_.end()) return 0;
  const auto found = family->second.find(labels);
  return found == family->second.end() ? 0 : found->second;
}

std::string Metrics::text() const {
  std::lock_guard guard(lock_);
  std::string out;
  for (const auto& family : kFamilies) {
    out.append("# HELP ").append(family.name).append(" ").append(family.help).append("\n# TYPE ");
    out.append(family.name).append(" ").append(family.type).append("\n");
    const auto found = values_.find(family.name);
    if (found == values_.end() || found->second.empty()) {
      out.append(family.name).append(" 0\n");
      continue;
    }
    for (const auto& [labels, value] : found->second) {
      out += family.name;
      if (!labels.empty()) out.append("{").append(labels).append("}");
      out.append(" ").append(std::to_string(value)).append("\n");
    }
  }
  return out;
}

}  // namespace signet
