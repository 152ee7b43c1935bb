#include "daemon/api/views.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "message/policy.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kPageDefault = 50;
constexpr int kPageMax = 200;

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
  out["authorId"] = m.author_id.text();
  out["lastEditorId"] = m.last_editor_id.text();
  out["reviewerId"] = m.reviewer_id ? Json(m.reviewer_id->text()) : Json(nullptr);
  out["clientReference"] = m.client_reference ? Json(*m.client_reference) : Json(nullptr);
  out["purpose"] = text_of(m.purpose);
  out["tags"] = m.tags;
  out["timeZone"] = text_of(m.time_zone);
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
      return is_own || message.status == Status::pending_review || message.reviewer_id == context.user_id()
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

std::string message_json(const MessageRow& message, const Content& content, const std::vector<AttemptRow>& attempts) {
  Json out = metadata(message);
  const Envelope& envelope = content.envelope;
  out["recipientPhone"] = text_of(message.kind == Kind::sms ? envelope.recipient : "");
  out["recipientEmail"] = text_of(message.kind == Kind::sms ? "" : envelope.recipient);
  out["subject"] = text_of(envelope.subject);
  out["contentDraft"] =
      content.details.content_draft.empty() ? text_of(envelope.body) : text_of(content.details.content_draft);
  out["contentFinal"] = message.approved_at ? text_of(envelope.body) : Json(nullptr);
  out["contentHash"] = to_hex(view(sha256(envelope.body)));
  out["patientId"] = text_of(content.details.patient_id);
  out["notes"] = text_of(content.details.submit_notes);
  out["reviewNotes"] = text_of(content.details.review_notes);
  Json errors = Json::array();
  for (const auto& attempt : attempts)
    if (attempt.outcome && *attempt.outcome != OutcomeKind::accepted)
      errors.push_back({{"attempt", attempt.attempt_no},
                        {"at", time_of(attempt.finished_at)},
                        {"reason", attempt.reason},
                        {"providerCode", text_of(attempt.provider_code)}});
  out["errorLog"] = std::move(errors);
  return dump(out);
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

void read_page(Context& context, MessageFilter& filter) {
  const auto cursor = context.request.query("cursor");
  if (cursor) {
    auto id = parse_uuid(*cursor);
    if (!id)
      context.refuse(
          {.code = Code::validation_error, .errors = {"cursor is not one: take nextCursor of the page before"}});
    filter.after_id = *id;
  }
  int limit = kPageDefault;
  if (const auto written = context.request.query("limit")) {
    const auto parsed = std::from_chars(written->data(), written->data() + written->size(), limit);
    if (parsed.ec != std::errc{} || parsed.ptr != written->data() + written->size() || limit < 1 || limit > kPageMax)
      context.refuse({.code = Code::validation_error, .errors = {"limit is out of range: write 1 to 200"}});
  }
  filter.count_max = limit + 1;
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

}  // namespace signet::api
