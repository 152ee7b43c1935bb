// Cancel contends for the permit's own key (design: engine, "Cancel"): who inserts the attempt's row first has it, the
// sender to send or the canceller to make sure that nobody does.
#include "audit/attempt.h"
#include "base/crash_point.h"
#include "daemon/api/body.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/lifecycle.h"
#include "message/policy.h"

namespace signet::api {
namespace {

http::Response cancelled(const Uuid& id) {
  return http::json(200, "{\"id\":\"" + id.text() + "\",\"status\":\"cancelled\"}");
}

void check_right(Context& context, const MessageRow& row) {
  const Grant right = grant(context.role(), Action::cancel);
  const bool is_own = row.author_id == context.user_id();
  if (right == Grant::yes || (right == Grant::own && is_own)) return;
  context.refuse({.code = Code::forbidden,
                  .title = "You may not cancel this message",
                  .detail = "Its author may, and whoever reviews: see GET /api/policy.",
                  .reason = right == Grant::own ? "NOT_OWN" : "ROLE"});
}

[[noreturn]] void refuse_late(Context& context, const MessageRow& row) {
  context.refuse({.code = Code::status_conflict,
                  .title = "The message is " + std::string(name(row.status)) + ": it cannot be cancelled",
                  .detail = row.status == Status::in_doubt
                                ? "The provider may have it; a receipt or a decision has to settle that first."
                                : "What has left cannot be called back. Read the message to see how it ended.",
                  .reason = "NOT_CANCELLABLE"});
}

// The permit was granted: the attempt runs. Moving the head makes its result look again, and see the request.
http::Response request_cancel(Context& context, MessageRow& row) {
  if (row.is_cancel_requested) context.refuse({.code = Code::being_sent, .reason = "BEING_SENT"});
  StatusChange change;
  change.id = row.id;
  change.status = row.status;
  change.before = row.head;
  change.cancel_requested = true;
  change.entry = chain(new_event(context, "cancel_requested"), row.id, row.status, row.head);
  context.must(change_status(context.tx(), change));
  context.commit();
  return answer(context.request, {.code = Code::being_sent});  // no refusal: what was asked for is noted
}

}  // namespace

http::Response post_cancel(Context& context) {
  context.only_query({});
  if (!context.request.body.empty()) {
    ReadBody body = context.body();
    Members(body.root, "", body.faults).finish();
    context.refuse_faults(body.faults);
  }
  const Uuid id = context.path_id();
  MessageRow row = locked_message(context, id);
  check_right(context, row);
  if (row.status == Status::cancelled) return cancelled(id);
  const auto next = after(row.status, Step::cancel);
  if (!next) refuse_late(context, row);
  Event event = new_event(context, "cancelled");
  if (row.status == Status::queued) {
    const auto due = context.must(read_due(context.tx(), id));
    const bool is_ours =
        due && context.must(insert_void(context.tx(), id, due->attempt_no, context.services.instance, event.at));
    if (!is_ours) return request_cancel(context, row);
    event.attempt_sha256 = void_sha256(id, due->attempt_no, context.services.instance, event.at);
    event.detail = {{"void", int64_t{due->attempt_no}}};
    context.must(delete_due(context.tx(), id));
  }
  StatusChange change;
  change.id = id;
  change.status = *next;
  change.before = row.head;
  change.entry = chain(std::move(event), id, *next, row.head);
  context.must(change_status(context.tx(), change));
  context.commit();
  SIGNET_CRASH_POINT(cancelled);
  return cancelled(id);
}

}  // namespace signet::api
