#include "daemon/delivery/callbacks.h"

#include <algorithm>

#include "audit/callback.h"
#include "daemon/evidence/entry_of.h"
#include "message/lifecycle.h"

namespace signet {
namespace {

constexpr int kBatch = 256;
constexpr int64_t kAgainMs = 200, kAgainMsMax = 300000;
constexpr int kTriesMax = 40;  // about two hours; then it stays in the ledger, unmatched

}  // namespace

bool Callbacks::apply() {
  if (!session_ || !session_->is_usable()) {
    auto opened = PgSession::open(postgres_);
    if (!opened) return false;
    session_ = std::move(*opened);
  }
  const int count_max = careful_ > 0 ? 1 : kBatch;
  PgTransaction tx(*session_);
  auto taken = take_callbacks(tx, count_max);
  if (!taken || taken->empty()) return false;
  if (count_max == 1 && !tx.run("savepoint untouched")) return false;
  // Messages are locked in one order, here as in every batch.
  std::sort(taken->begin(), taken->end(), [](const CallbackRow& a, const CallbackRow& b) {
    return std::tie(a.message_id, a.id) < std::tie(b.message_id, b.id);
  });
  for (const auto& callback : *taken) {
    auto done = apply_one(tx, callback);
    if (done) continue;
    if (done.error().code == ErrorCode::unavailable) return false;
    log_.warn("a callback could not be applied; it is tried again",
              {{"callback_id", callback.id.text()}, {"reason", done.error().text}});
    if (count_max > 1) {
      careful_ = kBatch;  // one by one, so that it holds up no other
      return true;
    }
    (void)tx.run("rollback to savepoint untouched");
    if (!postpone_callback(tx, callback.id, kAgainMsMax).ok()) return false;
  }
  if (careful_ > 0) careful_--;
  if (!tx.commit().ok()) return false;
  return careful_ > 0 || taken->size() == kBatch;
}

Result<void> Callbacks::apply_one(PgTransaction& tx, const CallbackRow& callback) {
  const std::optional<Uuid> id = callback.message_id;  // by echo: every adapter so far has one
  auto keep = [&]() -> Result<void> {
    if (callback.tries >= kTriesMax) {
      log_.warn("a callback matches no message; it stays in the ledger",
                {{"callback_id", callback.id.text()}, {"provider", callback.provider}});
      return finish_callback(tx, callback.id);
    }
    const int64_t delay = std::min(kAgainMs << std::min(callback.tries, 20), kAgainMsMax);
    return postpone_callback(tx, callback.id, delay);
  };
  if (!id) return keep();
  auto message = lock_message(tx, *id);
  if (!message) return message.error();
  if (!message->has_value()) return keep();
  // Before our own result there is nothing to confirm; the result, or the reconciler's doubt, is on its way.
  auto known = has_result(tx, *id, callback.attempt_no);
  if (!known) return known.error();
  if (callback.attempt_no > 0 && !*known) return keep();
  auto done = confirm(tx, callback, **message);
  if (!done) return done;
  return finish_callback(tx, callback.id);
}

Result<void> Callbacks::confirm(PgTransaction& tx, const CallbackRow& callback, const MessageRow& message) {
  const WallTime now = clock_.wall();
  if (callback.kind == ReceiptKind::opted_out || callback.kind == ReceiptKind::complained) {
    auto done = suppress(tx, ids_.next(), message.recipient_key, std::string(name(callback.kind)), callback.provider);
    if (!done) return done;
  }
  auto step = step_of(message.status, message.is_proven, message.kind, callback.kind);
  if (callback.is_partial) step.reset();  // some parts only: it stays `sent`, on the worklist
  // That an older attempt failed says nothing about the newer one; that it arrived does.
  if (callback.kind == ReceiptKind::failed || callback.kind == ReceiptKind::bounced) {
    auto newest = newest_attempt_no(tx, message.id);
    if (!newest) return newest.error();
    if (callback.attempt_no > 0 && callback.attempt_no < *newest) step.reset();
  }
  // No step, or one that is not legal from here, leaves the status as it is.
  const Status status = step ? after(message.status, *step).value_or(message.status) : message.status;
  const bool takes_effect = status != message.status;
  ConfirmationRow row{ids_.next(), message.id,        callback.attempt_no,    callback.kind,
                      callback.id, callback.provider, callback.provider_code, takes_effect,
                      now};
  auto inserted = insert_confirmation(tx, row);
  if (!inserted) return inserted;
  metrics_.add("signet_callbacks_total",
               "provider=\"" + callback.provider + "\",verdict=\"" + (takes_effect ? "applied" : "recorded") + "\"");
  if (!takes_effect) return {};

  Event event;
  event.id = ids_.next();
  event.at = now;
  event.actor = {instance_, "daemon", "", "", ""};
  event.action = status == Status::delivered ? "delivery_confirmed"
                 : status == Status::sent    ? "sent"
                                             : "delivery_failed";
  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(status);
  event.callback_sha256 =
      callback_sha256({callback.id, message.id, callback.provider, callback.event_id, callback.provider_reference,
                       name(callback.kind), callback.provider_code, callback.attempt_no, callback.is_partial,
                       callback.sealed_by, callback.sealed, callback.received_at});
  event.detail = {{"attempt", static_cast<int64_t>(callback.attempt_no)}, {"provider", callback.provider}};
  if (status == Status::failed) {
    event.reason_code = callback.kind == ReceiptKind::bounced ? "bounced" : "undelivered";
    event.detail.emplace_back("final", true);
    if (!callback.provider_code.empty()) event.detail.emplace_back("providerCode", callback.provider_code);
  }
  StatusChange change;
  change.id = message.id;
  change.status = status;
  change.before = message.head;
  change.entry = entry_of(event, message.id);
  change.confirmed_at = callback.received_at;
  if (message.status == Status::in_doubt || message.status == Status::queued) change.sent_at = callback.received_at;
  if (status == Status::failed) change.failure_reason = event.reason_code;
  change.is_proven = true;
  auto changed = change_status(tx, change);
  if (!changed) return changed;
  // A receipt for an attempt that was in doubt, or is being tried again, ends the trying.
  return delete_due(tx, message.id);
}

}  // namespace signet
