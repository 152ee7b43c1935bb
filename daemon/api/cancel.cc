// Cancel contends for the permit's own key (design: engine, "Cancel"): who inserts the attempt's row first has it, the
// sender to send or the canceller to make sure that nobody does.
#include <algorithm>
#include <map>

#include "audit/attempt.h"
#include "daemon/api/body.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/lifecycle.h"
#include "message/policy.h"

namespace signet::api {
namespace {

constexpr size_t kIdsMax = 1000;

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

enum class Cancel {
  done,       // now, or before
  requested,  // it is being sent: no other attempt is made
  again,      // that was noted before
  late,       // what has left cannot be called back
};

// The permit was granted: the attempt runs. Moving the head makes its result look again, and see the request.
Cancel request_cancel(Context& context, MessageRow& row) {
  if (row.is_cancel_requested) return Cancel::again;
  StatusChange change;
  change.id = row.id;
  change.status = row.status;
  change.before = row.head;
  change.cancel_requested = true;
  change.entry = chain(new_event(context, "cancel_requested"), row.id, row.status, row.head);
  context.must(change_status(context.tx(), change));
  return Cancel::requested;
}

// The row is locked, and the caller may.
Cancel cancel(Context& context, MessageRow& row) {
  if (row.status == Status::cancelled) return Cancel::done;
  const auto next = after(row.status, Step::cancel);
  if (!next) return Cancel::late;
  Event event = new_event(context, "cancelled");
  if (row.status == Status::queued) {
    const auto due = context.must(read_due(context.tx(), row.id));
    const bool is_ours =
        due && context.must(insert_void(context.tx(), row.id, due->attempt_no, context.services.instance, event.at));
    if (!is_ours) return request_cancel(context, row);
    event.attempt_sha256 = void_sha256(row.id, due->attempt_no, context.services.instance, event.at);
    event.detail = {{"void", int64_t{due->attempt_no}}};
    context.must(delete_due(context.tx(), row.id));
  }
  StatusChange change;
  change.id = row.id;
  change.status = *next;
  change.before = row.head;
  change.entry = chain(std::move(event), row.id, *next, row.head);
  context.must(change_status(context.tx(), change));
  return Cancel::done;
}

const char* word(Cancel result) {
  switch (result) {
    case Cancel::done:
      return "cancelled";
    case Cancel::late:
      return "too_late";
    case Cancel::requested:
    case Cancel::again:
      break;
  }
  return "being_sent";
}

std::vector<Uuid> read_ids(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("ids", "name the messages");
  std::vector<Uuid> ids;
  for (const auto& text : members.labels("ids", kIdsMax, 36)) {
    if (auto id = parse_uuid(text))
      ids.push_back(*id);
    else
      members.refuse("ids", "holds what is no id", "write the ids that POST /api/messages gave");
  }
  members.finish();
  context.refuse_faults(body.faults);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

http::Response post_cancel(Context& context) {
  context.only_query({});
  if (!context.request.body.empty()) {
    ReadBody body = context.body();
    Members(body.root, "", body.faults).finish();
    context.refuse_faults(body.faults);
  }
  MessageRow row = locked_message(context, context.path_id());
  check_right(context, row);
  const bool was_cancelled = row.status == Status::cancelled;
  switch (cancel(context, row)) {
    case Cancel::done:
      if (!was_cancelled) context.commit();
      return cancelled(row.id);
    case Cancel::requested:
      context.commit();
      return answer(context.request, {.code = Code::being_sent});  // no refusal: what was asked for is noted
    case Cancel::again:
      context.refuse({.code = Code::being_sent, .reason = "BEING_SENT"});
    case Cancel::late:
      break;
  }
  refuse_late(context, row);
}

// Many in one transaction. Who may not cancel one of them cancels none; what somebody else holds just now is told
// apart, to be asked for again.
http::Response post_cancel_many(Context& context) {
  context.only_query({});
  if (grant(context.role(), Action::cancel) == Grant::no) context.refuse({.code = Code::forbidden, .reason = "ROLE"});
  const std::vector<Uuid> ids = read_ids(context);
  const std::vector<Uuid> held = context.must(lock_free(context.tx(), ids));
  std::map<std::string, int64_t> counts;
  std::string items;
  for (const auto& id : ids) {
    auto row = context.must(read_message(context.tx(), id));
    std::string result = "unknown";
    if (row) {
      check_right(context, *row);
      const bool is_held = std::binary_search(held.begin(), held.end(), id);
      result = is_held ? word(cancel(context, *row)) : "busy";
    }
    counts[result]++;
    items += (items.empty() ? "" : ",") + std::string("{\"id\":\"") + id.text() + "\",\"result\":\"" + result + "\"}";
  }
  Event event = new_event(context, "bulk_cancelled");
  event.detail = {{"cancelled", counts["cancelled"]},
                  {"beingSent", counts["being_sent"]},
                  {"rows", static_cast<int64_t>(ids.size())}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(200, "{\"items\":[" + items + "]}");
}

}  // namespace signet::api
