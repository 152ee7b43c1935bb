#include "daemon/api/views.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/sealing_key.h"
#include "message/approval.h"
#include "message/policy.h"
#include "store/callbacks.h"
#include "store/retention.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

Json time_of(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }
Json text_of(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json metadata(const MessageRow& m) {
  Json out;
  out["id"] = m.id.text();
  out["kind"] = name(m.kind);
  out["deliveryMethod"] = name(m.delivery_method);
  out["status"] = name(m.status);
  out["priority"] = name(m.priority);
  out["riskLevel"] = name(m.risk_level);
  out["version"] = m.version;
  if (m.kind == Kind::letter) out["physicianId"] = m.physician_id ? Json(m.physician_id->text()) : Json(nullptr);
  out["authorId"] = m.author_id.text();
  out["lastEditorId"] = m.last_editor_id.text();
  out["reviewerId"] = m.reviewer_id ? Json(m.reviewer_id->text()) : Json(nullptr);
  out["claimedBy"] = m.claimed_by ? Json(m.claimed_by->text()) : Json(nullptr);
  out["claimedUntil"] = time_of(m.claimed_until);
  out["clientReference"] = m.client_reference ? Json(*m.client_reference) : Json(nullptr);
  out["purpose"] = text_of(m.purpose);
  out["tags"] = m.tags;
  out["timeZone"] = text_of(m.time_zone);
  out["urgent"] = m.is_urgent;
  out["createdAt"] = rfc3339(m.created_at);
  out["submittedAt"] = time_of(m.submitted_at);
  out["approvedAt"] = time_of(m.approved_at);
  out["scheduledFor"] = time_of(m.scheduled_for);
  out["expiresAt"] = time_of(m.expires_at);
  out["attempts"] = m.attempts;
  out["maxAttempts"] = m.max_attempts == 0 ? Json(nullptr) : Json(m.max_attempts);
  out["lastAttemptAt"] = time_of(m.last_attempt_at);
  out["dueAt"] = time_of(m.next_retry_at);
  out["nextRetryAt"] = m.attempts > 0 ? time_of(m.next_retry_at) : Json(nullptr);
  out["sentAt"] = time_of(m.sent_at);
  out["deliveryConfirmed"] = m.status == Status::delivered;
  out["confirmedAt"] = time_of(m.confirmed_at);
  out["failureReason"] = text_of(m.failure_reason);
  out["proven"] = m.is_proven;
  out["cancelRequested"] = m.is_cancel_requested;
  out["provider"] = text_of(m.provider);
  out["providerReference"] = text_of(m.provider_reference);
  return out;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json attempt_json(const AttemptRow& a) {
  Json out;
  out["no"] = a.attempt_no;
  out["void"] = a.is_void;
  out["provider"] = text_of(a.provider);
  out["instance"] = a.instance;
  out["permittedAt"] = rfc3339(a.permitted_at);
  out["outcome"] = a.outcome ? Json(name(*a.outcome)) : Json(nullptr);
  out["reason"] = text_of(a.reason);
  out["providerReference"] = text_of(a.provider_reference);
  out["providerCode"] = text_of(a.provider_code);
  out["finishedAt"] = time_of(a.finished_at);
  return out;
}

}  // namespace

Sight sight_of(const Context& context, const MessageRow& message) {
  const bool is_own = message.author_id == context.user_id();
  switch (grant(context.role(), Action::read_messages)) {
    case Grant::own:
      return is_own ? Sight::content : Sight::nothing;
    case Grant::scope:
      return is_own || answers_for(context, message) || message.status == Status::pending_review ||
                     message.reviewer_id == context.user_id()
                 ? Sight::content
                 : Sight::nothing;
    case Grant::metadata_or_break_glass:
    case Grant::metadata_or_granted:
      return context.principal().is_content_open ? Sight::content : Sight::metadata;
    case Grant::yes:
      return Sight::content;
    default:
      return Sight::nothing;
  }
}

std::string message_json(const MessageRow& message) { return dump(metadata(message)); }

namespace {

void add_content(Json& out, Context& context, const MessageRow& message, const Content& content) {
  const Envelope& envelope = content.envelope;
  const Details& details = content.details;
  const bool is_sms = message.kind == Kind::sms;
  out["recipientPhone"] = text_of(is_sms ? envelope.recipient : "");
  out["recipientEmail"] = text_of(is_sms ? "" : envelope.recipient);
  out["subject"] = text_of(envelope.subject);
  out["contentDraft"] = details.content_draft.empty() ? text_of(envelope.body) : text_of(details.content_draft);
  out["contentFinal"] = message.approved_at ? text_of(envelope.body) : Json(nullptr);
  out["contentGenerated"] = text_of(content.original());
  out["contentHash"] = to_hex(view(sha256(envelope.body)));
  out["patientId"] = text_of(details.patient_id);
  out["notes"] = text_of(details.submit_notes);
  out["reviewNotes"] = text_of(details.review_notes);
  out.update(Json::parse(clinical_json(details.clinical)));
  out["verificationRate"] = verification_rate(details.clinical.values);
  Json edits = Json::array();
  for (const auto& edit : context.must(list_edits(context.tx(), message.id)))
    edits.push_back(Json::parse(edit_json(content, edit), nullptr, false));
  out["editHistory"] = std::move(edits);
  Json errors = Json::array();
  for (const auto& attempt : context.must(list_attempts(context.tx(), message.id)))
    if (attempt.outcome && *attempt.outcome != OutcomeKind::accepted)
      errors.push_back({{"attempt", attempt.attempt_no},
                        {"at", time_of(attempt.finished_at)},
                        {"reason", attempt.reason},
                        {"providerCode", text_of(attempt.provider_code)}});
  out["errorLog"] = std::move(errors);
  out["webhookData"] = Json::array();
  for (const auto& callback : context.must(list_callbacks(context.tx(), message.id))) {
    const auto key = opening_key(context, callback.sealed_by, message.id);
    if (!key) continue;
    const auto raw = unseal(key->octets(), seal_binding("callback", callback.id, 0, "sealed"), callback.sealed);
    if (raw)
      out["webhookData"].push_back({{"id", callback.id.text()},
                                    {"provider", callback.provider},
                                    {"receivedAt", rfc3339(callback.received_at)},
                                    {"body", *raw}});
  }
}

}  // namespace

http::Response show_message(Context& context, const MessageRow& message, bool as_letter) {
  Json out = metadata(message);
  if (as_letter) {
    out["letterId"] = message.id.text();
    out["deliveryStatus"] = name(message.status);
    out["status"] = message.approved_at ? "APPROVED" : letter_status(message.status);
  }
  const Retention retention = context.must(read_retention(context.tx(), message.id));
  out["retainUntil"] = time_of(retention.retain_until);
  out["legalHold"] = retention.held_at.has_value();
  out["contentErased"] = retention.erased_at.has_value();
  out["contentErasedAt"] = time_of(retention.erased_at);
  const bool has_content = !retention.erased_at && sight_of(context, message) == Sight::content;
  Event event = new_event(context, has_content ? "content_read" : "metadata_read");
  if (has_content) {
    const Content content = content_of(context, message.id);
    event.envelope_commit = content.commit();
    add_content(out, context, message, content);
  }
  context.must(insert_entry(context.tx(), beside(std::move(event), message.id)));
  context.commit();
  http::Response response = http::json(200, dump(out));
  response.headers.emplace_back("ETag", etag(message.version));
  return response;
}

std::string list_json(const std::vector<std::string>& items, const std::string& next_cursor) {
  std::string out = "{\"items\":[";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    out += items[i];
  }
  return out + "],\"nextCursor\":" + (next_cursor.empty() ? "null" : '"' + next_cursor + '"') + '}';
}

std::string timeline_json(const MessageRow& message, const std::vector<std::string>& events,
                          const std::vector<AttemptRow>& attempts, bool with_access) {
  Json out;
  out["messageId"] = message.id.text();
  out["kind"] = name(message.kind);
  out["status"] = name(message.status);
  Json list = Json::array();
  for (const auto& canon : events) {
    Json event = Json::parse(canon, nullptr, false);
    if (!event.is_object()) continue;
    if (!with_access) {
      if (event["object"]["n"].is_null()) continue;
      for (const char* member : {"ip", "session", "uaHash"}) event["actor"].erase(member);
    }
    list.push_back(std::move(event));
  }
  out["events"] = std::move(list);
  Json rows = Json::array();
  for (const auto& attempt : attempts) rows.push_back(attempt_json(attempt));
  out["attempts"] = std::move(rows);
  return dump(out);
}

MessageFilter filter_for(Context& context) {
  MessageFilter filter;
  switch (grant(context.role(), Action::read_messages)) {
    case Grant::own:
      filter.author_id = context.user_id();
      break;
    case Grant::scope:
      filter.author_id = context.user_id();
      filter.or_in_review = true;
      filter.or_reviewer_id = context.user_id();
      filter.or_physician_id = context.user_id();
      break;
    case Grant::metadata_or_break_glass:
    case Grant::metadata_or_granted:
    case Grant::yes:
      break;
    default:
      context.refuse({.code = Code::forbidden});
  }
  return filter;
}

std::string page_json(std::vector<MessageRow> rows, const MessageFilter& filter) {
  std::string next;
  if (static_cast<int>(rows.size()) == filter.count_max) {
    rows.pop_back();
    next = rows.back().id.text();
  }
  std::vector<std::string> items;
  for (const auto& row : rows) items.push_back(message_json(row));
  return list_json(items, next);
}

void record_list(Context& context, const std::string& action, const std::string& filters, size_t count) {
  Event event = new_event(context, action);
  event.detail = {{"filters", filters}, {"rows", static_cast<int64_t>(count)}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
}

}  // namespace signet::api
