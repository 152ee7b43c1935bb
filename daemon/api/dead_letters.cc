// Messages that failed for good: what they are, and sending them again, one or all that a filter finds. A bulk requeue
// is asked for twice: dry, which says what it would do, and then with what the dry run counted.
#include "store/dead_letters.h"

#include <nlohmann/json.hpp>

#include "base/crash_point.h"
#include "daemon/api/decision.h"
#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/resending.h"
#include "daemon/api/rights.h"
#include "daemon/api/tasks.h"
#include "daemon/api/views.h"
#include "daemon/delivery/bulk_requeue.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

void read_filter(Fields& fields, MessageFilter& filter) {
  filter.status = Status::failed;
  filter.kind = fields.word<Kind>("kind", parse_kind);
  filter.priority = fields.word<Priority>("priority", parse_priority);
  filter.failure_reason = fields.text("reason");
  filter.provider = fields.text("provider");
  filter.changed_from = fields.time("from");
  filter.changed_before = fields.time("to");
}

Json dry_run_json(const DeadLetters& found) {
  Json reasons = Json::object();
  for (const auto& [reason, count] : found.by_reason) reasons[reason.empty() ? "unknown" : reason] = count;
  return {{"dryRun", true},
          {"asOf", rfc3339(found.as_of)},
          {"count", found.count},
          {"byReason", std::move(reasons)},
          {"refused", {{"expired", found.expired}, {"suppressed", found.suppressed}, {"erased", found.erased}}}};
}

struct Wanted {
  BulkRequeue what;
  bool is_dry = true;
  std::string filters;  // their names
};

Wanted read_wanted(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("dryRun", "write true to see what would be sent again, false with its asOf and count to do it");
  Wanted out;
  out.is_dry = members.flag("dryRun").value_or(true);
  const auto as_of = members.time("asOf");
  const auto count = members.integer("count", 1, INT32_MAX);
  if (!out.is_dry) {
    members.require("asOf", "write that of the dry run");
    members.require("count", "write that of the dry run");
  }
  auto fields = Fields::of_body(context, members);
  read_filter(fields, out.what.filter);
  members.finish();
  context.refuse_faults(body.faults);
  fields.finish();
  out.what.as_of = as_of.value_or(WallTime{});
  out.what.count = count.value_or(0);
  out.filters = fields.used();
  return out;
}

}  // namespace

http::Response get_dead_letters(Context& context) {
  context.only_query({"kind", "priority", "reason", "provider", "from", "to", "cursor", "limit"});
  must_be_allowed(context, Action::operate);
  MessageFilter filter;
  auto fields = Fields::of_query(context);
  read_filter(fields, filter);
  fields.page(filter.after_id, filter.count_max);
  fields.finish();
  auto rows = context.must(list_messages(context.tx(), filter));
  const bool has_more = static_cast<int>(rows.size()) == filter.count_max;
  record_list(context, "messages_listed", fields.used(), rows.size() - (has_more ? 1 : 0));
  context.commit();
  return http::json(200, page_json(std::move(rows), filter));
}

http::Response post_requeue(Context& context) {
  context.only_query({});
  context.concerns(context.path_id());
  must_be_allowed(context, Action::operate);
  context.no_members();
  const MessageRow row = locked_message(context, context.path_id());
  if (row.status != Status::failed)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message is " + std::string(name(row.status)) + ": only what failed is requeued",
                    .detail = "Read the message to see where it stands.",
                    .reason = "NOT_FAILED"});
  const DueRow due = send_again(context, row, ResendKind::requeue, new_event(context, "requeue"));
  context.commit();
  SIGNET_CRASH_POINT(requeued);
  offer(context, {hint_of(due)});
  return http::json(
      200, Json{{"id", row.id.text()}, {"status", name(Status::queued)}, {"attemptNo", due.attempt_no}}.dump());
}

http::Response post_requeue_dead_letters(Context& context) {
  context.only_query({"wait"});
  must_be_allowed(context, Action::operate);
  Wanted wanted = read_wanted(context);
  const auto found = context.must(count_dead_letters(context.tx(), wanted.what.filter,
                                                     wanted.is_dry ? std::nullopt : std::optional(wanted.what.as_of)));
  if (!wanted.is_dry && found.count != wanted.what.count)
    context.refuse({.code = Code::status_conflict,
                    .title = "The filter does not find what the dry run counted",
                    .detail = "Somebody requeued some meanwhile, or the filter is another: do the dry run again.",
                    .reason = "COUNT_CHANGED",
                    .members = "{\"count\":" + std::to_string(found.count) + "}"});
  Event event = new_event(context, "requeue_requested");
  event.object.type = "task";
  event.detail = {{"dryRun", wanted.is_dry}, {"filters", wanted.filters}, {"rows", found.count}};
  if (wanted.is_dry) {
    event.object.type = "messages";
    context.must(insert_entry(context.tx(), beside(std::move(event), {})));
    return context.commit(http::json(200, dry_run_json(found).dump()));
  }
  const Task task = new_task(context, kBulkRequeueTask, canonical(wanted.what), false);
  context.must(insert_entry(context.tx(), beside(std::move(event), task.id)));
  return accept(context, task);
}

}  // namespace signet::api
