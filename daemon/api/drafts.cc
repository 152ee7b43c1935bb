// Drafts come in (POST /api/messages), sealed from the first moment, and are edited (PATCH /api/messages/{id}).
#include <map>

#include "audit/attempt.h"
#include "daemon/api/arrival.h"
#include "daemon/api/decision.h"
#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/diff.h"
#include "message/lifecycle.h"
#include "message/policy.h"
#include "store/retention.h"

namespace signet::api {
namespace {

constexpr size_t kBatchMax = 1000;

std::vector<Draft> read_drafts(Context& context, bool& is_list) {
  ReadBody body = context.body();
  std::vector<Draft> drafts;
  const WallTime now = context.services.clock.wall();
  is_list = body.root.type == JsonValue::Type::list;
  if (!is_list) {
    drafts.push_back(read_draft(body.root, "", body.faults, now));
  } else {
    const auto& items = body.root.items;
    if (items.empty() || items.size() > kBatchMax)
      body.faults.push_back({"", "The list has " + std::to_string(items.size()) + " messages", "send 1 to 1000"});
    else
      for (size_t i = 0; i < items.size(); ++i)
        drafts.push_back(read_draft(items[i], '[' + std::to_string(i) + "].", body.faults, now));
    std::map<std::string, size_t> references;
    for (size_t i = 0; i < drafts.size(); ++i) {
      if (!drafts[i].row.client_reference) continue;
      const auto [first, is_new] = references.emplace(*drafts[i].row.client_reference, i);
      if (!is_new)
        body.faults.push_back({'[' + std::to_string(i) + "].clientReference",
                               "repeats that of [" + std::to_string(first->second) + ']',
                               "give each message its own, or send it once"});
    }
  }
  context.refuse_faults(body.faults);
  return drafts;
}

// The attempt that an edit would overtake: whoever takes its key first has it, as in a cancel.
int recall(Context& context, const MessageRow& row, WallTime now) {
  const auto due = context.must(read_due(context.tx(), row.id));
  const bool is_ours =
      due && context.must(insert_void(context.tx(), row.id, due->attempt_no, context.services.instance, now));
  if (!is_ours)
    context.refuse({.code = Code::being_sent,
                    .detail = "It cannot be edited any more. Wait until this attempt has ended.",
                    .reason = "BEING_SENT"});
  context.must(delete_due(context.tx(), {row.id}));
  return due->attempt_no;
}

}  // namespace

http::Response post_messages(Context& context) {
  context.only_query({});
  if (grant(context.role(), Action::draft) == Grant::no)
    context.refuse({.code = Code::forbidden, .title = "Your role may not draft messages", .reason = "ROLE"});
  bool is_list = false;
  auto drafts = read_drafts(context, is_list);
  check_people(context, drafts);
  std::vector<std::string> items;
  bool has_new = false;
  MessageRow last;
  std::vector<Hint> hints;
  for (auto& draft : drafts) {
    Arrived arrived = take_in(context, draft, hints);
    has_new = has_new || arrived.is_new;
    last = std::move(arrived.row);
    items.push_back(message_json(last));
  }
  http::Response response = http::json(has_new ? 201 : 200, is_list ? list_json(items, "") : items.front());
  if (!is_list) {
    response.headers.emplace_back("Location", "/api/messages/" + last.id.text());
    response.headers.emplace_back("ETag", etag(last.version));
  }
  response = context.commit(std::move(response));
  offer(context, std::move(hints));
  return response;
}

http::Response patch_message(Context& context) {
  context.only_query({});
  const auto& services = context.services;
  Draft draft;
  MessageRow& row = draft.row;
  row = locked_message(context, context.path_id());
  if (grant(context.role(), Action::draft) != Grant::yes || !is_own(context, row))
    context.refuse({.code = Code::forbidden,
                    .title = "You may not edit this message",
                    .detail = "Its author may, and of a letter its physician.",
                    .reason = grant(context.role(), Action::draft) == Grant::yes ? "NOT_OWN" : "ROLE"});
  context.check_version(row.version, true);
  const auto next = after(row.status, Step::edit);
  if (!next)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message is " + std::string(name(row.status)) + ": it cannot be edited",
                    .reason = "NOT_EDITABLE"});
  Content& content = draft.content;
  content = content_of(context, row.id);
  const std::string before = content.envelope.body;
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  read_edit(members, draft, services.clock.wall());
  members.finish();
  context.refuse_faults(body.faults);
  check_physician(context, row);
  Event event = new_event(context, "draft_edited");
  std::optional<int> voided;
  if (row.status == Status::queued) voided = recall(context, row, event.at);

  // Every edit is a new version with a new salt: signatures that were given fall.
  if (content.envelope.body != before && content.details.content_generated.empty())
    content.details.content_generated = before;
  content.details.content_draft.clear();
  content.version = ++row.version;
  content.salt = make_salt(services.random);
  row.last_editor_id = context.user_id();
  row.recipient_key = content.envelope.recipient.empty()
                          ? std::string()
                          : std::string(view(recipient_key(services.keyring.index_key(), content.envelope.recipient)));
  context.must(replace_content(context.tx(), row.id, content.version, seal_envelope(services.keyring, row.id, content),
                               context.user_id()));
  context.must(replace_details(context.tx(), row.id, seal_details(services.keyring, row.id, content)));
  context.must(update_draft(context.tx(), row));
  context.must(write_facts(context.tx(), row.id, facts_of(services.keyring, content)));
  if (draft.retain_until) context.must(write_retain_until(context.tx(), row.id, draft.retain_until));
  const TextDiff diff = diff_text(before, content.envelope.body);
  record_edit(context, row.id, content, diff, event.at);
  event.envelope_commit = content.commit();
  event.detail = {{"clinicalChanges", static_cast<int64_t>(diff.clinical_changes())},
                  {"recalled", row.status == Status::pending_review || row.status == Status::queued},
                  {"version", int64_t{row.version}}};
  if (draft.retain_until) event.detail.emplace_back("retainUntil", rfc3339(*draft.retain_until));
  if (draft.urgent_reason) event.detail.emplace_back("urgent", *draft.urgent_reason);
  if (voided) {
    event.attempt_sha256 = void_sha256(row.id, *voided, services.instance, event.at);
    event.detail.emplace_back("void", int64_t{*voided});
  }
  StatusChange change;
  change.id = row.id;
  change.status = *next;
  change.before = row.head;
  change.entry = chain(std::move(event), row.id, *next, row.head);
  context.must(change_status(context.tx(), change));
  const MessageRow now = *context.must(read_message(context.tx(), row.id));
  context.commit();
  http::Response response = http::json(200, message_json(now));
  response.headers.emplace_back("ETag", etag(row.version));
  return response;
}

}  // namespace signet::api
