#include "daemon/api/arrival.h"

#include "daemon/api/events.h"
#include "message/policy.h"
#include "store/retention.h"

namespace signet::api {
namespace {

constexpr char kNoPhysician[] = "physicianId is no doctor's: write the id of a user with that role";

bool is_physician(Context& context, const MessageRow& row) {
  if (!row.physician_id) return true;
  const auto user = context.must(read_user(context.tx(), *row.physician_id));
  return user && !user->is_disabled && user->role == Role::doctor;
}

}  // namespace

void check_physician(Context& context, const MessageRow& row) {
  if (!is_physician(context, row)) context.refuse({.code = Code::validation_error, .errors = {kNoPhysician}});
}

void check_people(Context& context, const std::vector<Draft>& drafts) {
  std::vector<std::string> errors;
  for (size_t i = 0; i < drafts.size(); ++i) {
    const MessageRow& row = drafts[i].row;
    const std::string place = drafts.size() > 1 ? '[' + std::to_string(i) + "]." : "";
    if (!is_physician(context, row)) errors.push_back(place + kNoPhysician);
    if (row.author_id.is_nil() || row.author_id == context.user_id()) continue;
    if (context.role() != Role::service) {
      errors.push_back(place + "authorId is another's: only a service drafts for somebody else; leave it out");
      continue;
    }
    const auto user = context.must(read_user(context.tx(), row.author_id));
    if (!user || user->is_disabled || grant(user->role, Action::draft) != Grant::yes)
      errors.push_back(place + "authorId is nobody who drafts: write the id of a user who may");
  }
  if (!errors.empty()) context.refuse({.code = Code::validation_error, .errors = errors});
  for (const auto& draft : drafts)
    if (draft.handover && context.role() != Role::service)
      context.refuse({.code = Code::forbidden,
                      .title = "Only a service hands over approved messages",
                      .detail = "Draft it, and have it reviewed here.",
                      .reason = "ROLE"});
}

Arrived take_in(Context& context, Draft& draft, std::vector<Hint>& hints) {
  const auto& services = context.services;
  MessageRow& row = draft.row;
  if (row.author_id.is_nil()) row.author_id = context.user_id();
  row.last_editor_id = row.author_id;
  if (row.client_reference) {
    const auto first = context.must(find_by_client_reference(context.tx(), row.author_id, *row.client_reference));
    if (first) {
      auto found = context.must(read_message(context.tx(), *first));
      if (found) {
        context.must(insert_entry(context.tx(), beside(new_event(context, "metadata_read"), *first)));
        return {std::move(*found), false};
      }
    }
  }
  row.id = draft.handover ? draft.handover->id : services.ids.next();
  row.created_at = {row.id.unix_ms() * 1000};
  Content& content = draft.content;
  if (draft.handover) {
    context.concerns(row.id);
    if (context.must(read_message(context.tx(), row.id)))
      context.refuse({.code = Code::status_conflict,
                      .title = "There is a message with this id already",
                      .detail = "Each message has an id of its own; a clientReference makes a repeat safe.",
                      .reason = "ID_TAKEN"});
    row.status = Status::pending_review;  // its approvals come with it
    row.submitted_at = services.clock.wall();
  }
  auto key = services.keyring.make_data_key(row.id.text());
  content.data_key = key.key;
  content.salt = draft.handover ? draft.handover->salt : make_salt(services.random);
  if (!content.envelope.recipient.empty())
    row.recipient_key = view(recipient_key(services.keyring.index_key(), content.envelope.recipient));
  Event event = new_event(context, "draft_generated");
  event.envelope_commit = content.commit();
  event.detail.emplace_back("kind", std::string(name(row.kind)));
  if (draft.retain_until) event.detail.emplace_back("retainUntil", rfc3339(*draft.retain_until));
  event.detail.emplace_back("riskLevel", std::string(name(row.risk_level)));
  if (draft.urgent_reason) event.detail.emplace_back("urgent", *draft.urgent_reason);
  if (!draft.source.empty()) event.detail.emplace_back("source", draft.source);
  const Entry entry = chain(std::move(event), row.id, row.status, row.head);
  context.must(
      insert_message(context.tx(), row, seal_content(services.keyring, row.id, content, std::move(key)), entry));
  context.must(write_facts(context.tx(), row.id, facts_of(services.keyring, content)));
  if (draft.retain_until) context.must(write_retain_until(context.tx(), row.id, draft.retain_until));
  if (draft.handover) return {approve_handed_over(context, row.id, *draft.handover, hints), true};
  return {row, true};
}

}  // namespace signet::api
