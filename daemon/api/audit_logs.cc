// The audit log as people read it: events in their canonical form, with what is known of their message as of that
// event. Whoever reads it leaves an event too.
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/body.h"
#include "daemon/api/content.h"
#include "daemon/api/entry_filter.h"
#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/note.h"
#include "daemon/api/sealing_key.h"
#include "daemon/api/views.h"
#include "message/policy.h"
#include "store/approvals.h"
#include "store/audit_entries.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kNoteOctetsMax = 16 * 1024;

// The filter that keeps the log to what the caller may see.
EntryFilter scope_of(Context& context) {
  EntryFilter filter;
  switch (grant(context.role(), Action::read_audit)) {
    case Grant::yes:
      break;
    case Grant::own:
      filter.own_id = context.user_id();
      break;
    case Grant::scope:
      filter.own_id = context.user_id();
      filter.or_in_scope = true;
      break;
    default:
      context.refuse({.code = Code::forbidden, .title = "Your role does not read the audit log", .reason = "ROLE"});
  }
  return filter;
}

Json time_of(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }
Json text_of(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// Content of the message, once for all of a page's events of it.
class Contents {
 public:
  explicit Contents(Context& context) : context_(context) {}
  const Content* of(const Uuid& id) {
    const auto known = found_.find(id);
    if (known != found_.end()) return known->second ? &*known->second : nullptr;
    auto& place = found_[id];
    auto row = context_.must(read_message(context_.tx(), id));
    if (!row || sight_of(context_, *row) != Sight::content) return nullptr;
    auto sealed = context_.must(read_content(context_.tx(), id));
    if (!sealed) return nullptr;  // erased under the retention policy
    auto content = open_content(context_.services.keyring, id, *sealed);
    if (content) place = std::move(*content);
    is_shown_ = is_shown_ || place;
    return place ? &*place : nullptr;
  }
  bool is_shown() const { return is_shown_; }

 private:
  Context& context_;
  std::map<Uuid, std::optional<Content>> found_;
  bool is_shown_ = false;
};

// The notes of the newest review at or before that moment.
Json notes_at(Context& context, const Uuid& id, const Content& content, WallTime at) {
  Json out = nullptr;
  for (const auto& approval : context.must(list_approvals(context.tx(), id)))
    if (approval.at <= at && !approval.notes.empty()) out = open_notes(content, approval);
  return out;
}

Json edits_at(Context& context, const Uuid& id, const Content& content, WallTime at) {
  Json out = Json::array();
  for (const auto& edit : context.must(list_edits(context.tx(), id)))
    if (edit.at <= at) out.push_back(Json::parse(edit_json(content, edit), nullptr, false));
  return out;
}

// Empty once its key is purged.
std::string note_text(Context& context, const Uuid& event_id) {
  const auto note = context.must(read_note(context.tx(), event_id));
  if (!note) return {};
  const auto key = opening_key(context, note->sealed_by, note->message_id);
  if (!key) return {};
  return open_note(*key, event_id, note->sealed);
}

Json entry_json(Context& context, const EntryRow& row, Contents& contents, bool with_access) {
  const Json event = Json::parse(row.canon, nullptr, false);
  Json out;
  out["id"] = row.event_id.text();
  out["seq"] = row.seq ? Json(*row.seq) : Json(nullptr);
  for (const char* member : {"at", "action", "actor", "object", "status", "reasonCode", "attempt", "detail"})
    if (event.contains(member)) out[member] = event[member];
  for (const char* member : {"envelopeCommit", "provenanceSha256", "attemptSha256", "callbackSha256", "requestId"})
    if (event.contains(member)) out[member] = event[member];
  if (!with_access && out["actor"].value("id", "") != context.user_id().text())
    for (const char* member : {"ip", "session", "uaHash"}) out["actor"].erase(member);
  if (row.message_id) {
    const WallTime at = parse_rfc3339(event.value("at", "")).ok() ? *parse_rfc3339(event.value("at", "")) : WallTime{};
    out["messageId"] = row.message_id->text();
    out["channel"] = row.kind ? Json(name(*row.kind)) : Json(nullptr);
    out["reviewerId"] = row.reviewer_id ? Json(row.reviewer_id->text()) : Json(nullptr);
    out["reviewedAt"] = time_of(row.reviewed_at);
    out["retryCount"] = row.retry_count;
    out["lastRetryAt"] = time_of(row.last_retry_at);
    out["failureReason"] = text_of(row.failure_reason);
    out["aiModelUsed"] = text_of(row.primary_model);
    out["tokensConsumed"] = row.tokens_consumed;
    if (const Content* content = contents.of(*row.message_id)) {
      out["patientId"] = text_of(content->details.patient_id);
      out["contentHash"] = to_hex(view(sha256(content->envelope.body)));
      out["reviewNotes"] = notes_at(context, *row.message_id, *content, at);
      out["editHistory"] = edits_at(context, *row.message_id, *content, at);
    }
  }
  if (out.value("detail", Json::object()).contains("noteCommit")) {
    const bool is_open = !row.message_id || contents.of(*row.message_id) != nullptr;
    if (is_open || out["actor"].value("id", "") == context.user_id().text())
      out["note"] = text_of(note_text(context, row.event_id));
  }
  return out;
}

Json counts_json(const std::vector<EntryCount>& counts) {
  Json out = Json::object();
  for (const auto& row : counts) out[row.key.empty() ? "daemon" : row.key] = row.count;
  return out;
}

http::Response statistics(Context& context, const EntryFilter& filter, const std::string& used) {
  const auto found = context.must(count_entries(context.tx(), filter));
  Event event = new_event(context, "audit_read");
  event.detail = {{"filters", used}, {"statistics", true}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(200, Json{{"total", found.total},
                              {"byAction", counts_json(found.by_action)},
                              {"byActor", counts_json(found.by_actor)},
                              {"byStatus", counts_json(found.by_status)},
                              {"byDay", counts_json(found.by_day)}}
                             .dump());
}

http::Response page(Context& context, const EntryFilter& filter, const std::string& used, const char* action) {
  auto rows = context.must(list_entries(context.tx(), filter));
  std::string next;
  if (static_cast<int>(rows.size()) == filter.count_max) {
    rows.pop_back();
    next = rows.back().event_id.text();
  }
  const bool with_access = grant(context.role(), Action::read_audit) == Grant::yes;
  Contents contents(context);
  Json items = Json::array();
  for (const auto& row : rows) items.push_back(entry_json(context, row, contents, with_access));
  Event event = new_event(context, action);
  event.detail = {{"filters", used}, {"rows", static_cast<int64_t>(rows.size())}, {"withContent", contents.is_shown()}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  const Json out{{"items", std::move(items)}, {"nextCursor", text_of(next)}};
  return http::json(200, out.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

http::Response get_audit_logs(Context& context) {
  context.only_query(
      {"from", "to", "actor", "messageId", "action", "provider", "status", "channel", "cursor", "limit", "statistics"});
  EntryFilter filter = scope_of(context);
  auto fields = Fields::of_query(context);
  read_entry_filter(fields, filter);
  fields.page(filter.after_id, filter.count_max);
  const bool is_statistics = context.request.query("statistics") == "true";
  fields.finish();
  return is_statistics ? statistics(context, filter, fields.used())
                       : page(context, filter, fields.used(), "audit_read");
}

http::Response post_audit_search(Context& context) {
  context.only_query({});
  EntryFilter filter = scope_of(context);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  auto fields = Fields::of_body(context, members);
  read_entry_filter(fields, filter);
  fields.page(filter.after_id, filter.count_max);
  read_people_filter(context, members, fields, filter);
  members.finish();
  context.refuse_faults(body.faults);
  fields.finish();
  return page(context, filter, fields.used(), "audit_searched");
}

// A note that somebody adds to the log. Actor, address and time are ours; the words are sealed beside the event.
http::Response post_audit_logs(Context& context) {
  context.only_query({});
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("note", "write what is to be noted");
  const std::string text = members.text("note", kNoteOctetsMax, true).value_or("");
  const auto message_id = members.id("messageId");
  members.finish();
  context.refuse_faults(body.faults);
  if (grant(context.role(), Action::read_audit) == Grant::no)
    context.refuse({.code = Code::forbidden, .title = "Your role does not write to the audit log", .reason = "ROLE"});

  Event event = new_event(context, "external_note");
  const Uuid event_id = event.id;
  if (message_id) visible_message(context, *message_id);
  add_note(context, event, message_id, text);
  context.must(insert_entry(context.tx(), beside(std::move(event), message_id.value_or(Uuid{}))));
  return context.commit(http::json(201, "{\"id\":\"" + event_id.text() + "\",\"action\":\"external_note\"}"));
}

}  // namespace signet::api
