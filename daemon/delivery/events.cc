#include "daemon/delivery/events.h"

#include "audit/attempt.h"
#include "audit/event.h"
#include "daemon/delivery/suppression.h"
#include "daemon/evidence/entry_of.h"

namespace signet {
namespace {

std::string action_of(const Outcome& outcome, const Decision& decision) {
  switch (decision.step) {
    case Step::accepted:
      return "sent";
    case Step::doubt:
      return "delivery_in_doubt";
    case Step::suppress:
      return "suppressed";
    case Step::expire:
      return "expired";
    case Step::cancel:
      return "cancelled";
    default:
      return outcome.kind == OutcomeKind::unsent ? "delivery_unsent" : "delivery_failed";
  }
}

}  // namespace

Entry DeliveryEvents::of_result(const Permit& permit, const Outcome& outcome, const Decision& decision, Status status,
                                const Head& head, WallTime started_at, WallTime finished_at) {
  Event event;
  event.id = ids_.next();
  event.at = finished_at;
  event.actor = daemon_actor(instance_);
  event.action = action_of(outcome, decision);
  event.object = {"message", permit.id.text(), head.n + 1, head.leaf};
  event.status = name(status);
  event.reason_code = decision.reason.empty() ? outcome.reason : decision.reason;
  event.attempt = EventAttempt{permit.attempt_no, permit.provider, permit.permitted_at};
  event.attempt_sha256 =
      attempt_sha256({permit.id, permit.attempt_no, permit.instance, permit.provider, permit.lane, permit.route_reason,
                      permit.permitted_at, name(outcome.kind), outcome.reason, outcome.provider_reference,
                      outcome.provider_code, outcome.status_code, outcome.parts, started_at, finished_at});
  event.detail = {{"final", is_final(status)}, {"outcome", std::string(name(outcome.kind))}};
  if (status == Status::failed) event.detail.emplace_back("proven", decision.is_proven);
  return entry_of(event, permit.id);
}

NewSuppression DeliveryEvents::of_opt_out(const Permit& permit, const Outcome& outcome, WallTime at) {
  SuppressionRow row;
  row.channel = channel_of(permit.kind);
  row.reason = name(outcome.is_bounced ? ReceiptKind::bounced : ReceiptKind::opted_out);
  row.source = permit.provider;
  return new_suppression(std::move(row), daemon_actor(instance_), ids_, at);
}

Entry DeliveryEvents::of_end(const Permit& permit, Status status, const std::string& reason) {
  Event event;
  event.id = ids_.next();
  event.at = clock_.wall();
  event.actor = daemon_actor(instance_);
  event.action = status == Status::cancelled    ? "cancelled"
                 : status == Status::suppressed ? "suppressed"
                 : reason == "expired"          ? "expired"
                                                : "delivery_failed";
  event.object = {"message", permit.id.text(), permit.head.n + 1, permit.head.leaf};
  event.status = name(status);
  event.reason_code = reason;
  event.attempt_sha256 = void_sha256(permit.id, permit.attempt_no, instance_, event.at);
  event.detail = {{"final", true}, {"void", static_cast<int64_t>(permit.attempt_no)}};
  return entry_of(event, permit.id);
}

}  // namespace signet
