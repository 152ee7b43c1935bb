// POST /api/messages: drafts come in, sealed from the first moment.
#include <map>

#include "config/syntax.h"
#include "daemon/api/body.h"
#include "daemon/api/content.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/views.h"
#include "message/phone.h"
#include "message/policy.h"

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
};

size_t characters(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

void read_recipient(Members& members, Draft& draft) {
  const bool is_sms = draft.row.kind == Kind::sms;
  const auto phone = members.text("recipientPhone", 64);
  const auto mail = members.text("recipientEmail", 320);
  if (is_sms && mail) members.refuse("recipientEmail", "does not belong to an SMS", "write recipientPhone instead");
  if (!is_sms && phone)
    members.refuse("recipientPhone", "does not belong to an e-mail", "write recipientEmail instead");
  if (is_sms && phone) {
    auto parsed = parse_phone(*phone);
    if (parsed) {
      draft.content.envelope.recipient = parsed->e164;
      draft.row.destination = parsed->country;
    } else {
      members.refuse("recipientPhone", "is not a valid phone number",
                     "write it in E.164 form, with + and country code, as in +61412345678");
    }
  }
  if (!is_sms && mail) {
    auto parsed = parse_mail_address(*mail);
    if (parsed) {
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

void read_times(Members& members, Draft& draft, WallTime now) {
  draft.row.scheduled_for = members.time("scheduledFor");
  draft.row.expires_at = members.time("expiresAt");
  if (draft.row.expires_at && *draft.row.expires_at <= now)
    members.refuse("expiresAt", "has passed", "write a time that lies ahead, or leave it out");
  else if (draft.row.expires_at && draft.row.scheduled_for && *draft.row.expires_at <= *draft.row.scheduled_for)
    members.refuse("expiresAt", "is not after scheduledFor", "the message could never be sent");
  if (const auto zone = members.text("timeZone", 64)) {
    if (is_zone(*zone))
      draft.row.time_zone = *zone;
    else
      members.refuse("timeZone", "is no time zone", "write its IANA name, as in Australia/Sydney");
  }
}

Draft read_draft(const JsonValue& value, const std::string& where, std::vector<Fault>& faults, WallTime now) {
  Members members(value, where, faults);
  Draft draft;
  MessageRow& row = draft.row;
  const bool is_given = members.has("kind");
  members.require("kind", "write sms or email");
  const auto kind = members.word<Kind>("kind", parse_kind, {"sms", "email"});
  if (kind == Kind::letter)
    members.refuse("kind", "may not be letter here",
                   "letters are approved through the letter workflow, which this version does not have yet");
  const bool is_known = kind && *kind != Kind::letter;
  row.kind = is_known ? *kind : Kind::sms;
  draft.content.envelope.kind = row.kind;
  const auto own = row.kind == Kind::sms ? DeliveryMethod::sms : DeliveryMethod::email;
  row.delivery_method =
      members.word<DeliveryMethod>("deliveryMethod", parse_delivery_method, {"sms", "email", "none"}).value_or(own);
  if (is_known && row.delivery_method != own && row.delivery_method != DeliveryMethod::none)
    members.refuse("deliveryMethod", "does not fit the kind", "write " + std::string(name(own)) + " or none");
  if (is_known) {
    read_recipient(members, draft);
    read_text(members, draft);
  } else if (is_given) {  // known names, but what they may be hangs on the kind
    for (const char* member : {"recipientPhone", "recipientEmail", "subject", "contentDraft"})
      (void)members.has(member);
  }
  read_times(members, draft, now);
  row.priority = members.word<Priority>("priority", parse_priority, {"critical", "high", "normal", "bulk"})
                     .value_or(Priority::normal);
  row.risk_level =
      members.word<RiskLevel>("riskLevel", parse_risk_level, {"normal", "high"}).value_or(RiskLevel::normal);
  draft.content.details.patient_id = members.text("patientId", 256).value_or("");
  row.purpose = members.label("purpose", 64).value_or("");
  row.tags = members.labels("tags", 16, 32);
  row.client_reference = members.label("clientReference", 128, ":/#+=@");
  row.max_attempts = static_cast<int>(members.integer("maxAttempts", 1, kAttemptsMax).value_or(0));
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

// Returns the message as it is now: a new one, or the first that came with this clientReference.
MessageRow keep(Context& context, Draft& draft, bool& is_new) {
  const auto& services = context.services;
  MessageRow& row = draft.row;
  row.author_id = row.last_editor_id = context.user_id();
  if (row.client_reference) {
    const auto first = context.must(find_by_client_reference(context.tx(), row.author_id, *row.client_reference));
    if (first) {
      auto found = context.must(read_message(context.tx(), *first));
      if (found) return std::move(*found);
    }
  }
  is_new = true;
  row.id = services.ids.next();
  row.created_at = {row.id.unix_ms() * 1000};
  Content& content = draft.content;
  auto key = services.keyring.make_data_key(row.id.text());
  content.data_key = key.key;
  content.salt = make_salt(services.random);
  if (!content.envelope.recipient.empty())
    row.recipient_key = view(recipient_key(services.keyring.index_key(), content.envelope.recipient));
  Event event = new_event(context, "draft_generated");
  event.envelope_commit = content.commit();
  event.detail.emplace_back("kind", std::string(name(row.kind)));
  event.detail.emplace_back("riskLevel", std::string(name(row.risk_level)));
  const Entry entry = chain(std::move(event), row.id, Status::pending, row.head);
  context.must(
      insert_message(context.tx(), row, seal_content(services.keyring, row.id, content, std::move(key)), entry));
  return row;
}

}  // namespace

http::Response post_messages(Context& context) {
  context.only_query({});
  if (grant(context.role(), Action::draft) == Grant::no)
    refuse_and_record(context, {.code = Code::forbidden, .title = "Your role may not draft messages"}, "ROLE", {});
  bool is_list = false;
  auto drafts = read_drafts(context, is_list);
  std::vector<std::string> items;
  bool has_new = false;
  std::string id;
  for (auto& draft : drafts) {
    const MessageRow row = keep(context, draft, has_new);
    id = row.id.text();
    items.push_back(message_json(row));
  }
  http::Response response = http::json(has_new ? 201 : 200, is_list ? list_json(items, "") : items.front());
  if (!is_list) response.headers.emplace_back("Location", "/api/messages/" + id);
  return context.commit(std::move(response));
}

}  // namespace signet::api
