// Reading messages. Whoever reads leaves an event.
#include <nlohmann/json.hpp>

#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/policy.h"

namespace signet::api {
namespace {

void read_filter(Fields& fields, MessageFilter& filter) {
  filter.status = fields.word<Status>("status", parse_status);
  filter.kind = fields.word<Kind>("kind", parse_kind);
  filter.risk_level = fields.word<RiskLevel>("risk", parse_risk_level);
  filter.by_author_id = fields.id("author");
  filter.created_from = fields.time("from");
  filter.created_before = fields.time("to");
  fields.page(filter.after_id, filter.count_max);
}

http::Response answer_list(Context& context, const MessageFilter& filter, const Fields& fields, const char* action) {
  auto rows = context.must(list_messages(context.tx(), filter));
  const bool has_more = static_cast<int>(rows.size()) == filter.count_max;
  record_list(context, action, fields.used(), rows.size() - (has_more ? 1 : 0));
  context.commit();
  return http::json(200, page_json(std::move(rows), filter));
}

}  // namespace

http::Response get_messages(Context& context) {
  context.only_query({"status", "kind", "risk", "author", "from", "to", "cursor", "limit"});
  MessageFilter filter = filter_for(context);
  auto fields = Fields::of_query(context);
  read_filter(fields, filter);
  fields.finish();
  return answer_list(context, filter, fields, "messages_listed");
}

http::Response post_search(Context& context) {
  context.only_query({});
  MessageFilter filter = filter_for(context);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  auto fields = Fields::of_body(context, members);
  read_filter(fields, filter);
  filter.client_reference = fields.text("clientReference");
  const People people = read_people(context, members, fields);
  filter.recipient_key = people.recipient_key;
  filter.patient_key = people.patient_key;
  members.finish();
  context.refuse_faults(body.faults);
  fields.finish();
  return answer_list(context, filter, fields, "messages_searched");
}

http::Response get_message(Context& context) {
  context.only_query({});
  return show_message(context, visible_message(context, context.path_id()), false);
}

http::Response get_timeline(Context& context) {
  context.only_query({});
  const MessageRow row = visible_message(context, context.path_id());
  const auto events = context.must(list_events(context.tx(), row.id));
  const auto attempts = context.must(list_attempts(context.tx(), row.id));
  context.must(insert_entry(context.tx(), beside(new_event(context, "timeline_read"), row.id)));
  context.commit();
  const bool with_access = grant(context.role(), Action::read_audit) == Grant::yes;
  return http::json(200, timeline_json(row, events, attempts, with_access));
}

// From the first text to the one that stands now.
http::Response get_diff(Context& context) {
  context.only_query({});
  const MessageRow row = visible_message(context, context.path_id());
  if (sight_of(context, row) != Sight::content)
    context.refuse({.code = Code::forbidden,
                    .title = "A diff shows the message's content",
                    .detail = "Your role sees metadata only: see GET /api/policy.",
                    .reason = "METADATA_ONLY"});
  const Content content = content_of(context, row.id);
  Event event = new_event(context, "diff_read");
  event.envelope_commit = content.commit();
  context.must(insert_entry(context.tx(), beside(std::move(event), row.id)));
  context.commit();
  http::Response response = http::json(200, canonical(diff_text(content.original(), content.envelope.body)));
  response.headers.emplace_back("ETag", etag(row.version));
  return response;
}

}  // namespace signet::api
