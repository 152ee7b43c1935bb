#include "daemon/delivery/resend.h"

#include "daemon/evidence/entry_of.h"
#include "message/lifecycle.h"

namespace signet {

std::optional<MessageChange> send_again(const MessageView& view, const DuePlan& plan, ResendKind kind, Event event,
                                        const Uuid& decision_id) {
  const MessageRow& message = view.message;
  const bool is_requeue = kind == ResendKind::requeue;
  if (message.status != (is_requeue ? Status::failed : Status::in_doubt)) return std::nullopt;
  const int newest = view.newest_attempt_no();
  auto due = plan.row(due_facts(message), newest + 1, event.at);
  if (!due) return std::nullopt;
  MessageChange change;
  // The reason is a code: the decision's table takes no text of a person's.
  change.decision = {decision_id, newest, is_requeue ? "requeue" : "resend", event.actor.id, "operator", event.at};
  change.due = std::move(due);

  StatusChange& moved = change.status.emplace();
  moved.id = message.id;
  moved.status = *after(message.status, Step::resend);
  moved.before = message.head;
  moved.is_requeue = is_requeue;
  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(moved.status);
  event.detail.emplace_back("attempt", int64_t{newest});
  if (is_requeue) {
    event.detail.emplace_back("attemptNo", int64_t{change.due->attempt_no});
    event.detail.emplace_back("lane", change.due->lane);
    event.detail.emplace_back("version", int64_t{message.version});
  }
  moved.entry = entry_of(event, message.id);
  return change;
}

Hint hint_of(const DueRow& due) { return {due.message_id, due.priority, due.lane, due.sender, due.due_at}; }

}  // namespace signet
