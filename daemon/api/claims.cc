// One reviewer at a time: a claim keeps others from deciding until it is released or lapses.
#include "daemon/api/body.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "message/policy.h"

namespace signet::api {
namespace {

constexpr int64_t kMinutesMax = 240;
constexpr int64_t kMinuteUs = 60'000'000;

MessageRow reviewable_message(Context& context) {
  MessageRow row = locked_message(context, context.path_id());
  const bool may = row.kind == Kind::letter && answers_for(context, row)
                       ? grant(context.role(), Action::approve_letter) != Grant::no
                       : grant(context.role(), Action::review) == Grant::yes;
  if (!may)
    context.refuse({.code = Code::forbidden,
                    .title = "You may not review this message",
                    .detail = "A reviewer or a doctor claims what waits for review; a letter, who answers for it.",
                    .reason = "ROLE"});
  return row;
}

http::Response claim_json(const MessageRow& row, std::optional<WallTime> until) {
  return http::json(200, "{\"id\":\"" + row.id.text() +
                             "\",\"claimedBy\":" + (until ? '"' + row.claimed_by->text() + '"' : "null") +
                             ",\"claimedUntil\":" + (until ? '"' + rfc3339(*until) + '"' : "null") + '}');
}

void record(Context& context, const MessageRow& row, std::string action) {
  Event event = new_event(context, std::move(action));
  event.status = name(row.status);
  context.must(insert_entry(context.tx(), beside(std::move(event), row.id)));
}

}  // namespace

http::Response post_claim(Context& context) {
  context.only_query({});
  int64_t minutes = context.services.approval.claim_minutes;
  if (!context.request.body.empty()) {
    ReadBody body = context.body();
    Members members(body.root, "", body.faults);
    minutes = members.integer("minutes", 1, kMinutesMax).value_or(minutes);
    members.finish();
    context.refuse_faults(body.faults);
  }
  MessageRow row = reviewable_message(context);
  const bool is_draft = row.kind == Kind::letter && (row.status == Status::pending || row.status == Status::rejected);
  if (row.status != Status::pending_review && !is_draft)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message is " + std::string(name(row.status)) + ": there is nothing to review",
                    .reason = "NOT_REVIEWABLE"});
  check_claim(context, row);
  const WallTime until{context.services.clock.wall().us + minutes * kMinuteUs};
  row.claimed_by = context.user_id();
  context.must(write_claim(context.tx(), row.id, context.user_id(), until));
  record(context, row, "claimed");
  context.commit();
  return claim_json(row, until);
}

http::Response post_release(Context& context) {
  context.only_query({});
  context.no_members();
  const MessageRow row = reviewable_message(context);
  check_claim(context, row);
  context.must(write_claim(context.tx(), row.id, context.user_id(), std::nullopt));
  record(context, row, "released");
  context.commit();
  return claim_json(row, std::nullopt);
}

}  // namespace signet::api
