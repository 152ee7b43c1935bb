// From draft to queue: submit, review, send directly, and what waits for review.
#include "daemon/api/decision.h"
#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/letter_answer.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "message/lifecycle.h"
#include "message/policy.h"

namespace signet::api {
namespace {

constexpr size_t kNotesOctetsMax = 16 * 1024;
constexpr int64_t kAgeMinutesMax = 525'600;

enum class ReviewWord { approved, rejected };
std::optional<ReviewWord> parse_review_word(std::string_view text) {
  if (text == "approved") return ReviewWord::approved;
  if (text == "rejected") return ReviewWord::rejected;
  return std::nullopt;
}

Review review_of(const Context& context, bool is_direct) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  Review review;
  review.is_direct = is_direct;
  members.require("messageId", "write the id that POST /api/messages gave");
  review.message_id = members.id("messageId").value_or(Uuid{});
  if (!is_direct) {
    members.require("decision", "write approved or rejected");
    const auto word = members.word<ReviewWord>("decision", parse_review_word, {"approved", "rejected"});
    review.is_approved = word != ReviewWord::rejected;
  }
  read_review(members, review);
  members.finish();
  context.refuse_faults(body.faults);
  return review;
}

http::Response answer_of(const Decided& decided, bool is_approved) {
  std::string out = "{\"messageId\":\"" + decided.row.id.text() + "\",\"status\":\"" +
                    std::string(name(decided.status)) + "\",\"decision\":\"" + (is_approved ? "approved" : "rejected") +
                    "\",\"version\":" + std::to_string(decided.row.version) +
                    ",\"selfEdited\":" + (decided.is_edited ? "true" : "false") + ",\"reviewedAt\":\"" +
                    rfc3339(decided.at) + '"';
  if (is_approved)
    out += ",\"signatures\":" + std::to_string(decided.signatures) +
           ",\"required\":" + std::to_string(decided.required) +
           ",\"provenanceId\":" + (decided.is_complete ? '"' + decided.provenance_id.text() + '"' : "null");
  http::Response response = http::json(decided.is_complete ? 200 : 202, out + '}');
  response.headers.emplace_back("ETag", etag(decided.row.version));
  return response;
}

}  // namespace

http::Response post_review(Context& context) {
  context.only_query({});
  const Review review = review_of(context, false);
  MessageRow row = locked_message(context, review.message_id);
  const bool is_letter = row.kind == Kind::letter;
  context.check_version(row.version, !is_letter);
  const Decided decided = decide(context, review, std::move(row));
  return is_letter && review.is_approved ? letter_answer(decided) : answer_of(decided, review.is_approved);
}

http::Response post_send_directly(Context& context) {
  context.only_query({});
  const Review review = review_of(context, true);
  MessageRow row = locked_message(context, review.message_id);
  // Who wrote the words himself knows them; anybody else says which he read.
  context.check_version(row.version, row.last_editor_id != context.user_id());
  return answer_of(decide(context, review, std::move(row)), true);
}

http::Response post_submit_for_review(Context& context) {
  context.only_query({});
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("messageId", "write the id that POST /api/messages gave");
  const Uuid id = members.id("messageId").value_or(Uuid{});
  const std::string notes = members.text("notes", kNotesOctetsMax, true).value_or("");
  members.finish();
  context.refuse_faults(body.faults);

  MessageRow row = locked_message(context, id);
  if (grant(context.role(), Action::draft) != Grant::yes || !is_own(context, row))
    context.refuse({.code = Code::forbidden,
                    .title = "You may not submit this message",
                    .detail = "Only its author submits it for review.",
                    .reason = grant(context.role(), Action::draft) == Grant::yes ? "NOT_OWN" : "ROLE"});
  context.check_version(row.version, false);
  const auto next = after(row.status, Step::submit);
  if (!next)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message is " + std::string(name(row.status)) + ": it cannot be submitted",
                    .detail = "Only a draft or a rejected message is submitted for review.",
                    .reason = "NOT_SUBMITTABLE"});
  Content content = content_of(context, id);
  check_deliverable(context, row, content);
  if (!notes.empty()) {
    content.details.submit_notes = notes;
    context.must(replace_details(context.tx(), id, seal_details(context.services.keyring, id, content)));
  }
  const WallTime now = context.services.clock.wall();
  Event event = new_event(context, "submitted_for_review");
  event.envelope_commit = content.commit();
  event.detail = {{"version", int64_t{row.version}}};
  StatusChange change;
  change.id = id;
  change.status = *next;
  change.before = row.head;
  change.entry = chain(std::move(event), id, *next, row.head);
  change.submitted_at = now;
  context.must(change_status(context.tx(), change));
  context.commit();
  return http::json(200, "{\"messageId\":\"" + id.text() + "\",\"status\":\"" + std::string(name(*next)) +
                             "\",\"submittedAt\":\"" + rfc3339(now) + "\"}");
}

http::Response get_pending_review(Context& context) {
  context.only_query({"kind", "risk", "author", "age", "cursor", "limit"});
  MessageFilter filter = filter_for(context);
  filter.status = Status::pending_review;
  filter.is_oldest_first = true;
  auto query = Fields::of_query(context);
  filter.kind = query.word<Kind>("kind", parse_kind);
  filter.risk_level = query.word<RiskLevel>("risk", parse_risk_level);
  filter.by_author_id = query.id("author");
  if (const auto minutes = query.integer("age", 0, kAgeMinutesMax))  // waiting for at least so long
    filter.submitted_before = WallTime{context.services.clock.wall().us - *minutes * 60'000'000};
  query.page(filter.after_id, filter.count_max);
  query.finish();
  auto rows = context.must(list_messages(context.tx(), filter));
  record_list(context, "messages_listed", query.used(), rows.size());
  context.commit();
  return http::json(200, page_json(std::move(rows), filter));
}

}  // namespace signet::api
