// Cancel contends for the permit's own key (design: engine, "Cancel"): who inserts the attempt's row first has it, the
// sender to send or the canceller to make sure that nobody does.
#include <algorithm>
#include <map>

#include "audit/attempt.h"
#include "base/crash_point.h"
#include "daemon/api/body.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/lifecycle.h"
#include "message/policy.h"
#include "store/message_change.h"

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
  busy,       // somebody else holds it just now
  unknown,
};

// The permit was granted: the attempt runs. Moving the head makes its result look again, and see the request.
std::optional<MessageChange> request_cancel(Context& context, const MessageRow& row, Cancel& result) {
  result = row.is_cancel_requested ? Cancel::again : Cancel::requested;
  if (row.is_cancel_requested) return std::nullopt;
  MessageChange out;
  StatusChange& change = out.status.emplace();
  change.id = row.id;
  change.status = row.status;
  change.before = row.head;
  change.cancel_requested = true;
  Head head = row.head;
  change.entry = chain(new_event(context, "cancel_requested"), row.id, row.status, head);
  return out;
}

// By a void, where an attempt is due: whoever has the attempt's key first has it.
std::optional<MessageChange> cancel_now(Context& context, const MessageView& view, Cancel& result) {
  const MessageRow& row = view.message;
  const auto next = after(row.status, Step::cancel);
  result = next || row.status == Status::cancelled ? Cancel::done : Cancel::late;
  if (!next) return std::nullopt;
  Event event = new_event(context, "cancelled");
  MessageChange out;
  if (row.status == Status::queued) {
    if (!view.due) return request_cancel(context, row, result);
    const std::string& instance = context.services.instance;
    out.void_attempt = {view.due->attempt_no, instance, event.at};
    out.ends_due = true;
    event.attempt_sha256 = void_sha256(row.id, view.due->attempt_no, instance, event.at);
    event.detail = {{"void", int64_t{view.due->attempt_no}}};
  }
  StatusChange& change = out.status.emplace();
  change.id = row.id;
  change.status = *next;
  change.before = row.head;
  Head head = row.head;
  change.entry = chain(std::move(event), row.id, *next, head);
  return out;
}

// Of each, sorted by id, into the context's transaction. 403 where the caller may not cancel one of them.
std::vector<Cancel> cancel(Context& context, const std::vector<Uuid>& ids) {
  std::map<Uuid, Cancel> results;
  const auto changed = context.must(change_messages(context.tx(), ids, [&](const MessageView& view) {
    check_right(context, view.message);
    return cancel_now(context, view, results[view.message.id]);
  }));
  std::vector<Uuid> running;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (changed[i] == Changed::taken) running.push_back(ids[i]);
    if (changed[i] == Changed::held) results[ids[i]] = Cancel::busy;
    if (changed[i] == Changed::absent) results[ids[i]] = Cancel::unknown;
  }
  if (!running.empty())
    context.must(change_messages(context.tx(), running, [&](const MessageView& view) {
      return request_cancel(context, view.message, results[view.message.id]);
    }));
  std::vector<Cancel> out;
  for (const auto& id : ids) out.push_back(results[id]);
  return out;
}

const char* word(Cancel result) {
  switch (result) {
    case Cancel::done:
      return "cancelled";
    case Cancel::late:
      return "too_late";
    case Cancel::busy:
      return "busy";
    case Cancel::unknown:
      return "unknown";
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
  context.no_members();
  const MessageRow row = locked_message(context, context.path_id());
  switch (cancel(context, {row.id}).front()) {
    case Cancel::done:
      if (row.status == Status::cancelled) return cancelled(row.id);
      context.commit();
      SIGNET_CRASH_POINT(cancelled);
      return cancelled(row.id);
    case Cancel::requested:
      context.commit();
      return answer(context.request, {.code = Code::being_sent});  // no refusal: what was asked for is noted
    case Cancel::again:
      context.refuse({.code = Code::being_sent, .reason = "BEING_SENT"});
    default:
      refuse_late(context, row);
  }
}

// Many in one transaction. Who may not cancel one of them cancels none; what somebody else holds just now is told
// apart, to be asked for again.
http::Response post_cancel_many(Context& context) {
  context.only_query({});
  if (grant(context.role(), Action::cancel) == Grant::no) context.refuse({.code = Code::forbidden, .reason = "ROLE"});
  const std::vector<Uuid> ids = read_ids(context);
  const std::vector<Cancel> results = cancel(context, ids);
  std::map<std::string, int64_t> counts;
  std::string items;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string result = word(results[i]);
    counts[result]++;
    items +=
        (items.empty() ? "" : ",") + std::string("{\"id\":\"") + ids[i].text() + "\",\"result\":\"" + result + "\"}";
  }
  Event event = new_event(context, "bulk_cancelled");
  event.detail = {{"beingSent", counts["being_sent"]},
                  {"cancelled", counts["cancelled"]},
                  {"rows", static_cast<int64_t>(ids.size())}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(200, "{\"items\":[" + items + "]}");
}

}  // namespace signet::api
