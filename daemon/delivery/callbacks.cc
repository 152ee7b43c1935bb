#include "daemon/delivery/callbacks.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/crash_point.h"
#include "daemon/delivery/suppression.h"
#include "daemon/evidence/callback_hash.h"
#include "daemon/evidence/entry_of.h"
#include "message/lifecycle.h"

namespace signet {
namespace {

constexpr int kBatch = 256;
constexpr int64_t kLeaseMs = 10000;  // a daemon that dies in a batch holds it up for this long
constexpr int64_t kAgainMs = 200, kAgainMsMax = 300000;
constexpr int64_t kKeepMs = 72 * int64_t{3'600'000};  // then it stays in the ledger, unmatched

bool suppresses(const CallbackRow& callback, const MessageRow& message) {
  return callback.kind == ReceiptKind::opted_out || callback.kind == ReceiptKind::complained ||
         (callback.kind == ReceiptKind::bounced && message.kind != Kind::sms);
}

// Where each part has receipts of its own, the message arrived, or failed, when all of them did.
bool is_of_all_parts(const MessageView& view, int attempt_no, const CallbackRow& callback) {
  const AttemptRow* attempt = view.attempt(attempt_no);
  const auto references = references_of(attempt ? attempt->provider_reference : "");
  if (references.size() < 2) return !callback.is_partial;
  return std::all_of(references.begin(), references.end(), [&](const std::string& reference) {
    return reference == callback.provider_reference ||
           std::any_of(view.part_receipts.begin(), view.part_receipts.end(), [&](const PartReceipt& told) {
             return told.attempt_no == attempt_no && told.provider_reference == reference && told.kind == callback.kind;
           });
  });
}

// The status that the receipt gives the message: rank decides, and no step, or one that is not legal, leaves it.
Status status_after(const MessageView& view, int attempt_no, const CallbackRow& callback) {
  const MessageRow& message = view.message;
  // Of some parts only: it stays `sent`, on the worklist.
  if (!is_of_all_parts(view, attempt_no, callback)) return message.status;
  // That an older attempt failed says nothing about the newer one; that it arrived does.
  const bool is_failure = callback.kind == ReceiptKind::failed || callback.kind == ReceiptKind::bounced;
  if (is_failure && attempt_no > 0 && attempt_no < view.newest_attempt_no()) return message.status;
  const auto step = step_of(message.status, message.is_proven, message.kind, callback.kind);
  return step ? after(message.status, *step).value_or(message.status) : message.status;
}

}  // namespace

std::optional<MessageChange> confirm(const MessageView& view, int attempt_no, const CallbackRow& callback,
                                     IdSource& ids, const std::string& instance) {
  const MessageRow& message = view.message;
  if (attempt_no > 0 && !view.has_result(attempt_no)) return std::nullopt;
  MessageChange change;
  change.ends_callback = callback.id;
  if (suppresses(callback, message) && !message.recipient_key.empty()) {
    SuppressionRow row;
    row.recipient_key = message.recipient_key;
    row.channel = channel_of(message.kind);
    row.reason = name(callback.kind);
    row.source = callback.provider;
    change.suppression = new_suppression(std::move(row), daemon_actor(instance), ids, view.now);
  }
  const Status status = status_after(view, attempt_no, callback);
  const bool takes_effect = status != message.status;
  change.confirmation = ConfirmationRow{
      ids.next(),   message.id, attempt_no, callback.kind, callback.id, callback.provider, callback.provider_code,
      takes_effect, view.now};
  if (!takes_effect) return change;

  Event event;
  event.id = ids.next();
  event.at = view.now;
  event.actor = daemon_actor(instance);
  event.action = status == Status::delivered ? "delivery_confirmed"
                 : status == Status::sent    ? "sent"
                                             : "delivery_failed";
  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(status);
  event.callback_sha256 = callback_hash(callback);
  event.detail = {{"attempt", static_cast<int64_t>(attempt_no)}, {"provider", callback.provider}};
  if (status == Status::failed) {
    event.reason_code = callback.kind == ReceiptKind::bounced ? "bounced" : "undelivered";
    event.detail.emplace_back("final", true);
    if (!callback.provider_code.empty()) event.detail.emplace_back("providerCode", callback.provider_code);
  }
  StatusChange& moved = change.status.emplace();
  moved.id = message.id;
  moved.status = status;
  moved.before = message.head;
  moved.entry = entry_of(event, message.id);
  moved.confirmed_at = callback.received_at;
  if (message.status == Status::in_doubt || message.status == Status::queued) moved.sent_at = callback.received_at;
  if (status == Status::failed) moved.failure_reason = event.reason_code;
  moved.is_proven = true;
  // A receipt for an attempt that was in doubt, or is being tried again, ends the trying. But the row of an attempt
  // that somebody has a permit for stays until that has its result: by the row it is found, if its daemon dies.
  change.ends_due = !view.due || view.attempt(view.due->attempt_no) == nullptr;
  return change;
}

bool Callbacks::apply() {
  auto taken = store_.take_callbacks(kBatch, kLeaseMs);
  if (!taken || taken->empty()) return false;
  SIGNET_CRASH_POINT(callbacks_taken);
  postponed_.clear();
  std::vector<EngineStore::Reference> references;
  for (const auto& row : *taken)
    if (!row.message_id && !row.provider_reference.empty())
      references.emplace_back(row.provider, row.provider_reference);
  auto known = store_.find_references(references);
  if (!known) return false;
  std::map<Uuid, std::vector<Matched>> waiting;  // by message, in the order in which they came
  for (const auto& row : *taken) {
    const auto found = known->find({row.provider, row.provider_reference});
    if (row.message_id)
      waiting[*row.message_id].push_back({*row.message_id, row.attempt_no, row});
    else if (found != known->end())
      waiting[found->second.first].push_back({found->second.first, found->second.second, row});
    else
      keep(row);
  }
  for (size_t n = 0;; n++) {
    std::vector<Matched> round;
    for (const auto& [id, callbacks] : waiting)
      if (n < callbacks.size()) round.push_back(callbacks[n]);
    if (round.empty()) break;
    if (!apply_round(round)) return false;
  }
  if (!postponed_.empty() && !store_.postpone_callbacks(postponed_).ok()) return false;
  return taken->size() == kBatch;
}

bool Callbacks::apply_round(const std::vector<Matched>& round) {
  std::vector<Uuid> ids;
  std::map<Uuid, const Matched*> by_message;
  for (const auto& callback : round) {
    ids.push_back(callback.message_id);
    by_message[callback.message_id] = &callback;
  }
  std::set<Uuid> early, effective;
  auto changed = store_.change(ids, [&](const MessageView& view) {
    const Matched& callback = *by_message[view.message.id];
    auto change = confirm(view, callback.attempt_no, callback.row, ids_, instance_);
    if (!change) early.insert(view.message.id);
    if (change && change->status) effective.insert(view.message.id);
    return change;
  });
  if (changed) SIGNET_CRASH_POINT(callback_committed);
  if (!changed && changed.error().code == ErrorCode::unavailable) return false;
  if (!changed && round.size() > 1) {  // one by one, so that a bad one holds up no other
    for (const auto& callback : round)
      if (!apply_round({callback})) return false;
    return true;
  }
  if (!changed) {
    log_.warn("a callback could not be applied; it is tried again",
              {{"callback_id", round[0].row.id.text()}, {"reason", changed.error().text}});
    postponed_.push_back({round[0].row.id, kAgainMsMax});
    return true;
  }
  for (size_t i = 0; i < round.size(); i++) {
    const CallbackRow& row = round[i].row;
    switch ((*changed)[i]) {
      case Changed::done:
        count(row, effective.contains(ids[i]));
        break;
      case Changed::held:
        postponed_.push_back({row.id, kAgainMs});
        break;
      case Changed::left:
        if (!early.contains(ids[i])) break;  // another daemon applied it
        [[fallthrough]];
      default:
        keep(row);
    }
  }
  return true;
}

// For a message, or a result of ours, that may still come.
void Callbacks::keep(const CallbackRow& callback) {
  if (callback.age_ms < kKeepMs) {
    postponed_.push_back({callback.id, std::min(kAgainMs << std::min(callback.tries, 20), kAgainMsMax)});
    return;
  }
  log_.warn("a callback fits no message; it stays in the ledger",
            {{"callback_id", callback.id.text()}, {"provider", callback.provider}});
  if (store_.end_callback(callback.id).ok())
    metrics_.add("signet_callbacks_total", "provider=\"" + callback.provider + "\",verdict=\"orphan\"");
}

void Callbacks::count(const CallbackRow& callback, bool takes_effect) {
  metrics_.add("signet_callbacks_total",
               "provider=\"" + callback.provider + "\",verdict=\"" + (takes_effect ? "applied" : "recorded") + "\"");
}

}  // namespace signet
