// Drafts come in (POST /api/messages), sealed from the first moment, and are edited (PATCH /api/messages/{id}).
#include <map>

#include "audit/attempt.h"
#include "config/syntax.h"
#include "daemon/api/body.h"
#include "daemon/api/content.h"
#include "daemon/api/decision.h"
#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/handover.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/diff.h"
#include "message/lifecycle.h"
#include "message/phone.h"
#include "message/policy.h"
#include "store/retention.h"

namespace signet::api {
namespace {

constexpr size_t kBatchMax = 1000;
constexpr size_t kTextOctetsMax = 256 * 1024;
constexpr size_t kSmsCharactersMax = 1600;  // ten parts: what providers take at most
constexpr size_t kSubjectOctetsMax = 998;   // RFC 5322 section 2.1.1
constexpr int kAttemptsMax = 100;

struct Draft {
  MessageRow row;
  Content content;
  std::optional<WallTime> retain_until = {};
  std::optional<Handover> handover = {};
  std::optional<std::string> urgent_reason = {};  // as written; "none" takes it back
};

size_t characters(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

void read_recipient(Members& members, Draft& draft) {
  const bool is_sms = draft.row.kind == Kind::sms;
  const bool is_exact = members.has("approvals");  // what was signed is not brought into another form
  const auto phone = members.text("recipientPhone", 64);
  const auto mail = members.text("recipientEmail", 320);
  if (is_sms && mail) members.refuse("recipientEmail", "does not belong to an SMS", "write recipientPhone instead");
  if (!is_sms && phone)
    members.refuse("recipientPhone", "does not belong to an e-mail", "write recipientEmail instead");
  if (is_sms && phone) {
    auto parsed = parse_phone(*phone);
    if (parsed && (!is_exact || parsed->e164 == *phone)) {
      draft.content.envelope.recipient = parsed->e164;
      draft.row.destination = parsed->country;
    } else {
      members.refuse("recipientPhone", "is not a valid phone number",
                     "write it in E.164 form, with + and country code, as in +61412345678");
    }
  }
  if (!is_sms && mail) {
    auto parsed = parse_mail_address(*mail);
    if (parsed && (!is_exact || parsed->address == *mail)) {
      draft.content.envelope.recipient = parsed->address;
      draft.row.destination = parsed->domain;
    } else {
      members.refuse("recipientEmail", "is not a valid e-mail address", "write it as name@domain");
    }
  }
}

void read_text(Members& members, Draft& draft) {
  Envelope& envelope = draft.content.envelope;
  if (const auto body = members.text("contentDraft", kTextOctetsMax, true)) {
    if (draft.row.kind == Kind::sms && characters(*body) > kSmsCharactersMax)
      members.refuse("contentDraft", "is too long for an SMS",
                     "at most " + std::to_string(kSmsCharactersMax) + " characters");
    envelope.body = *body;
  }
  const auto subject = members.text("subject", kSubjectOctetsMax);
  if (subject && draft.row.kind == Kind::sms)
    members.refuse("subject", "does not belong to an SMS", "leave it out");
  else if (subject)
    envelope.subject = *subject;
}

// Why quiet hours must not hold it. Closed words: they go into the log, where nothing about a patient may stand.
std::optional<std::string> parse_urgent_reason(std::string_view text) {
  for (const std::string_view word : {"clinical", "safety", "appointment", "requested", "none"})
    if (text == word) return std::string(word);
  return std::nullopt;
}

void read_times(Members& members, Draft& draft, WallTime now) {
  auto& row = draft.row;
  if (const auto time = members.time("scheduledFor")) row.scheduled_for = time;
  const auto expires_at = members.time("expiresAt");
  if (expires_at) row.expires_at = expires_at;
  if (expires_at && *expires_at <= now)
    members.refuse("expiresAt", "has passed", "write a time that lies ahead, or leave it out");
  else if (row.expires_at && row.scheduled_for && *row.expires_at <= *row.scheduled_for)
    members.refuse("expiresAt", "is not after scheduledFor", "the message could never be sent");
  draft.retain_until = members.time("retainUntil");
  if (draft.retain_until && *draft.retain_until <= now)
    members.refuse("retainUntil", "has passed", "write a time that lies ahead, or leave it out");
  if (const auto zone = members.text("timeZone", 64)) {
    if (is_zone(*zone))
      row.time_zone = *zone;
    else
      members.refuse("timeZone", "is no time zone", "write its IANA name, as in Australia/Sydney");
  }
  draft.urgent_reason = members.word<std::string>("urgentReason", parse_urgent_reason,
                                                  {"clinical", "safety", "appointment", "requested", "none"});
  if (draft.urgent_reason) row.is_urgent = *draft.urgent_reason != "none";
}

// What an edit may bring too; the kind is known.
void read_common(Members& members, Draft& draft, WallTime now) {
  MessageRow& row = draft.row;
  read_recipient(members, draft);
  read_text(members, draft);
  read_times(members, draft, now);
  if (const auto priority = members.word<Priority>("priority", parse_priority, {"critical", "high", "normal", "bulk"}))
    row.priority = *priority;
  if (const auto risk = members.word<RiskLevel>("riskLevel", parse_risk_level, {"normal", "high"}))
    row.risk_level = *risk;
  if (const auto patient = members.text("patientId", 256)) draft.content.details.patient_id = *patient;
  if (const auto purpose = members.label("purpose", 64)) row.purpose = *purpose;
  if (members.has("tags")) row.tags = members.labels("tags", 16, 32);
  if (const auto attempts = members.integer("maxAttempts", 1, kAttemptsMax))
    row.max_attempts = static_cast<int>(*attempts);
  if (const auto physician = members.id("physicianId")) {
    if (row.kind == Kind::letter)
      row.physician_id = *physician;
    else
      members.refuse("physicianId", "belongs to a letter", "leave it out");
  }
  read_clinical(members, draft.content.details.clinical);
}

DeliveryMethod own_method(Kind kind) { return kind == Kind::sms ? DeliveryMethod::sms : DeliveryMethod::email; }

void read_method(Members& members, MessageRow& row) {
  const auto method = members.word<DeliveryMethod>("deliveryMethod", parse_delivery_method, {"sms", "email", "none"});
  if (!method) return;
  if (*method != own_method(row.kind) && *method != DeliveryMethod::none)
    members.refuse("deliveryMethod", "does not fit the kind",
                   "write " + std::string(name(own_method(row.kind))) + " or none");
  row.delivery_method = *method;
}

Draft read_draft(const JsonValue& value, const std::string& where, std::vector<Fault>& faults, WallTime now) {
  Members members(value, where, faults);
  Draft draft;
  MessageRow& row = draft.row;
  members.require("kind", "write sms, email or letter");
  const auto kind = members.word<Kind>("kind", parse_kind, {"sms", "email", "letter"});
  if (!kind) return draft;  // what the others may be hangs on it
  row.kind = *kind;
  draft.content.envelope.kind = row.kind;
  row.delivery_method = own_method(row.kind);
  read_method(members, row);
  if (row.kind == Kind::letter) members.require("physicianId", "name the doctor who answers for the letter");
  read_common(members, draft, now);
  if (const auto author = members.id("authorId")) row.author_id = *author;
  row.client_reference = members.label("clientReference", 128, ":/#+=@");
  draft.handover = read_handover(members, now);
  members.finish();
  return draft;
}

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

constexpr char kNoPhysician[] = "physicianId is no doctor's: write the id of a user with that role";

bool is_physician(Context& context, const MessageRow& row) {
  if (!row.physician_id) return true;
  const auto user = context.must(read_user(context.tx(), *row.physician_id));
  return user && !user->is_disabled && user->role == Role::doctor;
}

// A letter's physician is a doctor; an author other than the caller is a person who may draft, named by a service.
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

// Returns the message as it is now: a new one, or the first that came with this clientReference.
MessageRow keep(Context& context, Draft& draft, bool& is_new) {
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
        return std::move(*found);
      }
    }
  }
  is_new = true;
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
  const Entry entry = chain(std::move(event), row.id, row.status, row.head);
  context.must(
      insert_message(context.tx(), row, seal_content(services.keyring, row.id, content, std::move(key)), entry));
  context.must(write_facts(context.tx(), row.id, facts_of(services.keyring, content)));
  if (draft.retain_until) context.must(write_retain_until(context.tx(), row.id, draft.retain_until));
  return row;
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
  context.must(delete_due(context.tx(), row.id));
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
    bool is_new = false;
    last = keep(context, draft, is_new);
    has_new = has_new || is_new;
    if (is_new && draft.handover) last = approve_handed_over(context, last.id, *draft.handover, hints);
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
  read_method(members, row);
  read_common(members, draft, services.clock.wall());
  members.finish();
  context.refuse_faults(body.faults);
  if (!is_physician(context, row)) context.refuse({.code = Code::validation_error, .errors = {kNoPhysician}});
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
