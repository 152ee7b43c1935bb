#include "daemon/delivery/doubts.h"

#include <algorithm>

#include "daemon/evidence/entry_of.h"

namespace signet {
namespace {

const char* reason_of(DoubtStep step, std::optional<Found> found) {
  if (step == DoubtStep::repeat) return "same_key";
  if (found == Found::nothing) return "not_found";
  return step == DoubtStep::resend ? "policy_resend" : "policy_fail";
}

}  // namespace

DoubtStep step_of(const DoubtCase& doubt) {
  // A repeat would be a first sending if the provider never saw the key: so it too is only for what may be sent.
  if (doubt.provider_class == DoubtClass::idempotent && doubt.is_key_alive && doubt.may_send) return DoubtStep::repeat;
  if (doubt.provider_class == DoubtClass::queryable) {
    if (!doubt.found || *doubt.found == Found::unknown) return DoubtStep::look_up;
    if (*doubt.found != Found::nothing) return DoubtStep::settled;
    return doubt.may_send ? DoubtStep::resend : DoubtStep::fail;
  }
  if (doubt.policy == DoubtPolicy::wait) return DoubtStep::wait;
  return doubt.policy == DoubtPolicy::resend && doubt.may_send ? DoubtStep::resend : DoubtStep::fail;
}

Doubts::Decided Doubts::decide(const MessageView& view, const Doubt& doubt, const DoubtRules& rules, DoubtPolicy policy,
                               std::optional<Found> found) const {
  const MessageRow& message = view.message;
  if (message.status != Status::in_doubt || view.due) return {};
  const auto newest = std::find_if(view.attempts.rbegin(), view.attempts.rend(),
                                   [](const AttemptRow& attempt) { return !attempt.is_void; });
  if (newest == view.attempts.rend() || newest->attempt_no != doubt.attempt_no) return {};

  const int attempts_max =
      message.max_attempts > 0 ? std::min(message.max_attempts, settings_.attempts_max) : settings_.attempts_max;
  auto due = plan_(message, view.newest_attempt_no() + 1, view.now);
  DoubtCase asked{rules.provider_class, false, found, policy, due.has_value()};
  asked.may_send = due && message.attempts < attempts_max && !message.is_cancel_requested &&
                   !(message.expires_at && *message.expires_at <= view.now);
  // The last moment at which a repeat may begin.
  const WallTime key_until{view.now.us + (rules.key_life_ms - doubt.key_age_ms - settings_.lasts_ms) * 1000};
  asked.is_key_alive = due && due->due_at < key_until;
  const DoubtStep step = step_of(asked);
  if (step == DoubtStep::look_up || step == DoubtStep::settled || step == DoubtStep::wait) return {step, std::nullopt};

  const bool is_sent_again = step != DoubtStep::fail;
  const Status status = is_sent_again ? Status::queued : Status::failed;
  MessageChange change;
  change.decision = DecisionRow{ids_.next(),        view.newest_attempt_no(), is_sent_again ? "resend" : "fail",
                                settings_.instance, "delivery.in_doubt",      view.now};
  Event event;
  event.id = ids_.next();
  event.at = view.now;
  event.actor = {settings_.instance, "daemon", "", "", ""};
  event.action = "resolve";
  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(status);
  event.reason_code = reason_of(step, found);
  event.detail = {{"attempt", static_cast<int64_t>(change.decision->attempt_no)},
                  {"decision", change.decision->decision}};
  if (!is_sent_again) event.detail.emplace_back("proven", false);
  StatusChange& moved = change.status.emplace();
  moved.id = message.id;
  moved.status = status;
  moved.before = message.head;
  moved.entry = entry_of(event, message.id);
  if (!is_sent_again) {
    moved.failure_reason = "in_doubt";
    moved.is_proven = false;
  } else {
    if (step == DoubtStep::repeat) {
      due->provider = doubt.provider;
      due->send_until = std::min(key_until, due->send_until.value_or(key_until));
    }
    change.due = std::move(due);
  }
  return {step, std::move(change)};
}

}  // namespace signet
