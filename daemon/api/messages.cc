// Reading messages. Whoever sees content leaves an event.
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/views.h"
#include "message/policy.h"

namespace signet::api {
namespace {

MessageRow visible_message(Context& context, const Uuid& id) {
  auto row = context.must(read_message(context.tx(), id));
  if (!row) context.refuse({.code = Code::not_found, .title = "There is no message with this id"});
  if (sight_of(context, *row) == Sight::nothing)
    refuse_and_record(context,
                      {.code = Code::forbidden,
                       .title = "This message is not yours to read",
                       .detail = "Your role reads messages within its scope only: see GET /api/policy."},
                      "OUT_OF_SCOPE", id);
  return std::move(*row);
}

}  // namespace

http::Response get_messages(Context& context) {
  context.only_query({"status", "kind", "cursor", "limit"});
  MessageFilter filter = filter_for(context);
  std::vector<std::string> errors;
  if (const auto status = context.request.query("status")) {
    filter.status = parse_status(*status);
    if (!filter.status) errors.push_back("status is not one of its words: see docs/states.md");
  }
  if (const auto kind = context.request.query("kind")) {
    filter.kind = parse_kind(*kind);
    if (!filter.kind) errors.push_back("kind is not one of its words: write sms, email or letter");
  }
  if (!errors.empty()) context.refuse({.code = Code::validation_error, .errors = errors});
  read_page(context, filter);
  auto rows = context.must(list_messages(context.tx(), filter));
  context.commit();
  return http::json(200, page_json(std::move(rows), filter));
}

http::Response get_message(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  const MessageRow row = visible_message(context, id);
  if (sight_of(context, row) == Sight::metadata) {
    context.commit();
    return http::json(200, message_json(row));
  }
  const Content content = content_of(context, id);
  const auto attempts = context.must(list_attempts(context.tx(), id));
  context.must(insert_entry(context.tx(), beside(new_event(context, "content_read"), id)));
  context.commit();
  return http::json(200, message_json(row, content, attempts));
}

http::Response get_timeline(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  const MessageRow row = visible_message(context, id);
  const auto events = context.must(list_events(context.tx(), id));
  const auto attempts = context.must(list_attempts(context.tx(), id));
  context.commit();
  const bool with_access = grant(context.role(), Action::read_audit) == Grant::yes;
  return http::json(200, timeline_json(row, events, attempts, with_access));
}

}  // namespace signet::api
