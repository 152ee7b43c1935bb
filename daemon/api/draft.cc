#include "daemon/api/draft.h"

#include "config/syntax.h"
#include "message/phone.h"

namespace signet::api {
namespace {

constexpr size_t kTextOctetsMax = 256 * 1024;
constexpr size_t kSmsCharactersMax = 1600;  // ten parts: what providers take at most
constexpr size_t kSubjectOctetsMax = 998;   // RFC 5322 section 2.1.1
constexpr int kAttemptsMax = 100;

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

}  // namespace

void read_edit(Members& members, Draft& draft, WallTime now) {
  read_method(members, draft.row);
  read_common(members, draft, now);
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
  if (row.kind == Kind::letter) members.require("physicianId", "name the doctor who answers for the letter");
  read_edit(members, draft, now);
  if (const auto author = members.id("authorId")) row.author_id = *author;
  row.client_reference = members.label("clientReference", 128, ":/#+=@");
  draft.handover = read_handover(members, now);
  members.finish();
  return draft;
}

}  // namespace signet::api
