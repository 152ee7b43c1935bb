// Retention: how long content is kept, legal holds, purges on demand. What is erased is for daemon/evidence/purge.h.
#include "store/retention.h"

#include <nlohmann/json.hpp>

#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/rights.h"
#include "daemon/api/tasks.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kReasonOctetsMax = 64;

struct Due {
  int64_t count = 0;
  Json by_status = Json::object();
};

Due due_now(Context& context, int years) {
  Due due;
  for (const auto& [status, count] : context.must(count_due(context.tx(), {years, context.services.clock.wall()}))) {
    due.count += count;
    due.by_status[std::string(name(status))] = count;
  }
  return due;
}

// As the daemons last had it: what is due is due by that, whichever daemon is asked.
int policy_years(Context& context) {
  const auto years = context.must(recorded_years(context.tx()));
  if (!years)
    context.refuse({.code = Code::unavailable,
                    .title = "No daemon has recorded audit.retention_years yet",
                    .detail = "It does so within a minute of its start. Try again in a moment."});
  return *years;
}

// The hold's event is one of the message's chain: no history without it is complete.
void append(Context& context, MessageRow& row, const char* action, const std::string& reason) {
  const Head before = row.head;
  Event event = new_event(context, action);
  event.reason_code = reason;
  const Entry entry = chain(std::move(event), row.id, row.status, row.head);
  context.must(append_event(context.tx(), row.id, before, entry));
}

}  // namespace

http::Response get_retention(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::export_evidence);
  const int years = policy_years(context);
  const Due due = due_now(context, years);
  const auto totals = context.must(read_retention_totals(context.tx()));
  Json last = nullptr;
  if (totals.purged_at) last = {{"at", rfc3339(*totals.purged_at)}, {"messages", totals.purged_messages}};
  return http::json(200, Json{{"years", years},
                              {"held", totals.held},
                              {"due", due.count},
                              {"dueByStatus", due.by_status},
                              {"erased", totals.erased},
                              {"lastPurge", std::move(last)}}
                             .dump());
}

http::Response post_legal_hold(Context& context) {
  context.only_query({});
  context.concerns(context.path_id());
  must_be_allowed(context, Action::administer);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("reason", "write a label of the matter, as in case-2026-17: it stands in clear");
  const auto reason = members.label("reason", kReasonOctetsMax);
  members.finish();
  context.refuse_faults(body.faults);
  MessageRow row = locked_message(context, context.path_id());
  const auto known = context.must(read_retention(context.tx(), row.id));
  if (known.held_at)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message is held already",
                    .detail = "End that hold first, if it is to be for another reason.",
                    .reason = "HELD"});
  if (known.erased_at)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message's content is erased already",
                    .detail = "A hold cannot bring it back; its history stays in any case.",
                    .reason = "ERASED"});
  const WallTime now = context.services.clock.wall();
  context.must(set_legal_hold(context.tx(), row.id, context.user_id(), now, *reason));
  append(context, row, "legal_hold_set", *reason);
  context.commit();
  return http::json(200, Json{{"id", row.id.text()},
                              {"legalHold", true},
                              {"reason", *reason},
                              {"heldBy", context.user_id().text()},
                              {"heldAt", rfc3339(now)}}
                             .dump());
}

http::Response delete_legal_hold(Context& context) {
  context.only_query({});
  context.concerns(context.path_id());
  must_be_allowed(context, Action::administer);
  MessageRow row = locked_message(context, context.path_id());
  const auto known = context.must(read_retention(context.tx(), row.id));
  if (!known.held_at)
    context.refuse({.code = Code::status_conflict, .title = "The message is not held", .reason = "NOT_HELD"});
  context.must(end_legal_hold(context.tx(), row.id));
  append(context, row, "legal_hold_ended", known.hold_reason);
  context.commit();
  return http::json(200, Json{{"id", row.id.text()}, {"legalHold", false}}.dump());
}

http::Response post_purge(Context& context) {
  context.only_query({"wait"});
  must_be_allowed(context, Action::administer);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("dryRun", "write true to see what is due, false to erase it");
  const auto is_dry = members.flag("dryRun");
  members.finish();
  context.refuse_faults(body.faults);
  const Due due = due_now(context, policy_years(context));
  Event event = new_event(context, "purge_requested");
  event.object.type = "retention";
  event.detail = {{"dryRun", *is_dry}, {"rows", due.count}};
  if (*is_dry) {
    context.must(insert_entry(context.tx(), beside(std::move(event), {})));
    return context.commit(
        http::json(200, Json{{"dryRun", true}, {"due", due.count}, {"dueByStatus", due.by_status}}.dump()));
  }
  const Task task = new_task(context, "purge", "{}", false);
  event.object.type = "task";
  context.must(insert_entry(context.tx(), beside(std::move(event), task.id)));
  return accept(context, task);
}

}  // namespace signet::api
