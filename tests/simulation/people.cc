#include "tests/simulation/people.h"

#include "audit/event.h"
#include "daemon/evidence/entry_of.h"

namespace signet::test {

void People::accept(const MemoryStore::Message& message) {
  trace_.note("accepted", judge_.index_of(message.row.id));
  accepted_.push_back(message.row.id);
  store_.messages[message.row.id] = message;
}

void People::act() {
  if (accepted_.empty() || is_home_) return;
  const Uuid id = accepted_[chance_.below(accepted_.size())];
  const auto found = store_.messages.find(id);
  if (found == store_.messages.end()) return;  // check_end() tells of it
  switch (found->second.row.status) {
    case Status::queued:
      return cancel(id);
    case Status::in_doubt:
      return resolve(id);
    case Status::failed:
      return requeue(id);
    default:
      return;
  }
}

void People::pause_or_resume() {
  if (!store_.is_up()) return;
  const uint64_t draw = chance_.below(5);
  trace_.note("pause or resume", static_cast<int64_t>(draw));
  if (draw < 4) {
    store_.pauses.priorities[draw] = !store_.pauses.priorities[draw];
  } else if (store_.pauses.providers.erase("provider-0") == 0) {
    store_.pauses.providers.insert("provider-0");
  }
}

void People::go_home() {
  is_home_ = true;
  store_.pauses = {};
}

StatusChange People::change_of(const MessageRow& row, Status status, const char* action) {
  Event event;
  event.id = ids_.next();
  event.at = store_.now();
  event.actor = {kPerson, "reviewer", "", "", ""};
  event.action = action;
  event.object = {"message", row.id.text(), row.head.n + 1, row.head.leaf};
  event.status = name(status);
  StatusChange change;
  change.id = row.id;
  change.status = status;
  change.before = row.head;
  change.entry = entry_of(event, row.id);
  return change;
}

// The void contends for the permit's key; who comes too late leaves a request.
void People::cancel(const Uuid& id) {
  auto changed = engine_.change({id}, [&](const MessageView& view) -> std::optional<MessageChange> {
    if (!view.due) return std::nullopt;
    MessageChange change;
    change.void_attempt = VoidRow{view.due->attempt_no, kPerson, view.now};
    change.status = change_of(view.message, Status::cancelled, "cancelled");
    change.ends_due = true;
    return change;
  });
  if (!changed) return;
  trace_.note("cancel", judge_.index_of(id), static_cast<int64_t>(changed->front()));
  if (changed->front() != Changed::taken) return;
  (void)engine_.change({id}, [&](const MessageView& view) -> std::optional<MessageChange> {
    MessageChange change;
    change.status = change_of(view.message, view.message.status, "cancel_requested");
    change.status->cancel_requested = true;
    return change;
  });
}

void People::resolve(const Uuid& id) {
  const uint64_t draw = chance_.below(3);
  trace_.note("resolve", judge_.index_of(id), static_cast<int64_t>(draw));
  (void)engine_.change({id}, [&](const MessageView& view) -> std::optional<MessageChange> {
    static constexpr const char* kDecisions[]{"resend", "fail", "delivered"};
    static constexpr Status kStatuses[]{Status::queued, Status::failed, Status::delivered};
    const int attempt_no = view.newest_attempt_no();
    MessageChange change;
    change.status = change_of(view.message, kStatuses[draw], "resolve");
    change.status->is_proven = false;
    change.decision = DecisionRow{ids_.next(), attempt_no, kDecisions[draw], kPerson, "operator", view.now};
    if (draw == 0)
      change.due =
          DueRow{id, attempt_no + 1, view.message.priority, "sms", "ward", "", view.now, view.message.expires_at};
    return change;
  });
}

void People::requeue(const Uuid& id) {
  trace_.note("requeue", judge_.index_of(id));
  (void)engine_.change({id}, [&](const MessageView& view) -> std::optional<MessageChange> {
    if (view.message.expires_at && *view.message.expires_at <= view.now) return std::nullopt;
    MessageChange change;
    change.status = change_of(view.message, Status::queued, "requeue");
    change.status->is_requeue = true;
    change.decision = DecisionRow{ids_.next(), view.newest_attempt_no(), "requeue", kPerson, "operator", view.now};
    change.due = DueRow{id,       view.newest_attempt_no() + 1, view.message.priority, "sms", "ward", "",
                        view.now, view.message.expires_at};
    return change;
  });
}

}  // namespace signet::test
