#include "daemon/delivery/reconciler.h"

#include <algorithm>

#include "daemon/evidence/entry_of.h"
#include "message/lifecycle.h"

namespace signet {
namespace {

constexpr int kBatch = 1000;
constexpr int kCountEvery = 15;  // passes: counting reads every message

std::string sender_of(const Uuid& author) { return author.text().substr(24); }

}  // namespace

bool Reconciler::pass() {
  if (!session_ || !session_->is_usable()) {
    auto opened = PgSession::open(postgres_);
    if (!opened) return false;
    session_ = std::move(*opened);
  }
  if (auto overdue = overdue_permits(*session_, settings_.overdue_ms, kBatch); overdue && !overdue->empty()) {
    std::vector<Uuid> ids;
    for (const auto& permit : *overdue) ids.push_back(permit.message_id);
    settle_(std::move(ids));
  }
  for (const Kind kind : {Kind::sms, Kind::email, Kind::letter})
    settle_doubts(kind, settings_.policy[static_cast<size_t>(kind) - 1]);
  if (passes_++ % kCountEvery == 0) count();
  return false;
}

void Reconciler::settle_doubts(Kind kind, DoubtPolicy policy) {
  if (policy == DoubtPolicy::wait) return;
  auto found = doubts(*session_, settings_.doubt_wait_ms, kind, kBatch);
  if (!found) return;
  for (const auto& doubt : *found)
    if (auto done = decide_doubt(doubt, policy); !done)
      log_.warn("a message in doubt could not be settled; it is tried again",
                {{"message_id", doubt.message_id.text()}, {"reason", done.error().text}});
}

Result<void> Reconciler::decide_doubt(const OverduePermit& doubt, DoubtPolicy policy) {
  PgTransaction tx(*session_);
  auto locked = lock_message(tx, doubt.message_id);
  if (!locked) return locked.error();
  if (!locked->has_value() || (*locked)->status != Status::in_doubt) return {};  // settled meanwhile
  const MessageRow& message = **locked;
  auto newest = newest_attempt_no(tx, message.id);
  if (!newest) return newest.error();
  if (*newest != doubt.attempt_no) return {};  // tried again meanwhile
  const WallTime now = clock_.wall();
  const int attempts_max =
      message.max_attempts > 0 ? std::min(message.max_attempts, settings_.attempts_max) : settings_.attempts_max;
  const bool is_resend = policy == DoubtPolicy::resend && message.attempts < attempts_max &&
                         !message.is_cancel_requested && !(message.expires_at && *message.expires_at <= now);
  const Status status = is_resend ? Status::queued : Status::failed;
  auto decided = insert_decision(tx, ids_.next(), message.id, doubt.attempt_no, is_resend ? "resend" : "fail",
                                 settings_.instance, "delivery.in_doubt", now);
  if (!decided) return decided;
  Event event;
  event.id = ids_.next();
  event.at = now;
  event.actor = {settings_.instance, "daemon", "", "", ""};
  event.action = "resolve";
  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(status);
  event.reason_code = is_resend ? "policy_resend" : "policy_fail";
  event.detail = {{"attempt", static_cast<int64_t>(doubt.attempt_no)},
                  {"decision", std::string(is_resend ? "resend" : "fail")}};
  if (!is_resend) event.detail.emplace_back("proven", false);
  StatusChange change;
  change.id = message.id;
  change.status = status;
  change.before = message.head;
  change.entry = entry_of(event, message.id);
  if (!is_resend) {
    change.failure_reason = "in_doubt";
    change.is_proven = false;
  }
  auto changed = change_status(tx, change);
  if (!changed) return changed;
  if (is_resend) {
    const auto lane = routes_.lane(message.kind, message.destination, message.tags);
    if (!lane) return Error{ErrorCode::not_found, "no route is configured for it"};
    auto due = insert_due(tx, {message.id, doubt.attempt_no + 1, message.priority, *lane, sender_of(message.author_id),
                               "", now, message.expires_at});
    if (!due) return due;
  }
  return tx.commit();
}

void Reconciler::count() {
  auto sums = totals(*session_);
  if (!sums) return;
  for (const auto& [status, messages] : sums->by_status)
    metrics_.set("signet_messages", "status=\"" + std::string(name(status)) + "\"", messages);
  metrics_.set("signet_due", "", sums->due);
  metrics_.set("signet_oldest_due_ms", "", sums->oldest_due_ms);
}

}  // namespace signet
