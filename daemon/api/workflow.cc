// From draft to queue: submit, review, send directly. Approval writes everything in one transaction: the approval with
// its MAC, the chained events, the status and the due row; the hint is offered after COMMIT.
#include <algorithm>

#include "daemon/api/content.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/views.h"
#include "message/approval.h"
#include "message/lifecycle.h"
#include "message/policy.h"

namespace signet::api {
namespace {

constexpr size_t kNotesOctetsMax = 16 * 1024;
constexpr size_t kTextOctetsMax = 256 * 1024;
constexpr int64_t kReviewMsMax = 7LL * 24 * 3600 * 1000;

struct Review {
  bool is_direct = false, is_approved = true;
  Uuid message_id;
  std::string notes;
  std::optional<std::string> final_content;
  std::optional<int64_t> review_ms;
};

enum class ReviewWord { approved, rejected };
std::optional<ReviewWord> parse_review_word(std::string_view text) {
  if (text == "approved") return ReviewWord::approved;
  if (text == "rejected") return ReviewWord::rejected;
  return std::nullopt;
}

Review read_review(const Context& context, bool is_direct) {
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
  review.notes = members.text("reviewNotes", kNotesOctetsMax, true).value_or("");
  if (!review.is_approved && review.notes.empty())
    members.refuse("reviewNotes", "is missing", "tell the author why it is rejected");
  review.final_content = members.text("finalContent", kTextOctetsMax, true);
  if (!review.is_approved && review.final_content)
    members.refuse("finalContent", "does not belong to a rejection", "leave it out");
  review.review_ms = members.integer("reviewDurationMs", 0, kReviewMsMax);
  members.empty("verifiedValueIds", "names a clinical value that this message does not have");
  members.empty("dismissedFlagIds", "names a flag that this message does not have");
  members.empty("dismissedReasons", "names a flag that this message does not have");
  members.finish();
  context.refuse_faults(body.faults);
  return review;
}

MessageRow locked(Context& context, const Uuid& id) {
  auto row = context.must(lock_message(context.tx(), id));
  if (!row)
    context.refuse({.code = Code::not_found,
                    .title = "There is no message with this id",
                    .detail = "messageId is what POST /api/messages gave."});
  return std::move(*row);
}

void check_right(Context& context, const Review& review, const MessageRow& row) {
  const Action action = review.is_direct ? Action::send_directly : Action::review;
  if (grant(context.role(), action) != Grant::yes)
    refuse_and_record(context,
                      {.code = Code::forbidden,
                       .title = review.is_direct ? "Your role may not send directly" : "Your role may not review",
                       .detail = review.is_direct ? "Submit the message for review instead."
                                                  : "A reviewer or a doctor has to review it."},
                      "ROLE", row.id);
  const bool is_own = row.author_id == context.user_id();
  if (review.is_direct && !is_own && sight_of(context, row) != Sight::content)
    refuse_and_record(context,
                      {.code = Code::forbidden,
                       .title = "This message is not yours to send",
                       .detail = "One sends directly what one wrote or what waits for one's review."},
                      "OUT_OF_SCOPE", row.id);
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

ApprovalFacts facts_of(Context& context, const MessageRow& row, const Envelope& envelope) {
  ApprovalFacts facts;
  facts.status = row.status;
  facts.kind = row.kind;
  facts.method = row.delivery_method;
  facts.risk = row.risk_level;
  facts.author_id = row.author_id;
  facts.last_editor_id = row.last_editor_id;
  facts.has_content = !is_blank(envelope.body);
  facts.has_recipient = !envelope.recipient.empty();
  facts.is_suppressed = !row.recipient_key.empty() && context.must(is_suppressed(context.tx(), row.recipient_key));
  facts.has_route = context.services.routes.lane(row.kind, row.destination, row.tags).has_value();
  facts.is_expired = row.expires_at && *row.expires_at <= context.services.clock.wall();
  return facts;
}

[[noreturn]] void refuse_obstacles(Context& context, const std::vector<Obstacle>& found, const Uuid& id) {
  std::vector<std::string> errors;
  std::string reasons;
  const Obstacle* forbidden = nullptr;
  for (const auto& obstacle : found) {
    errors.push_back(obstacle.text);
    reasons += (reasons.empty() ? "\"" : ",\"") + obstacle.code + '"';
    if (obstacle.is_forbidden && forbidden == nullptr) forbidden = &obstacle;
  }
  Refused refused;
  refused.code = forbidden != nullptr ? Code::forbidden : Code::validation_error;
  refused.title = forbidden != nullptr ? "You may not review this message" : "The message cannot be sent as it is";
  refused.detail = forbidden != nullptr ? forbidden->text : "";
  refused.errors = std::move(errors);
  refused.members = "{\"reasons\":[" + reasons + "]}";
  refuse_and_record(context, refused, forbidden != nullptr ? forbidden->code : found.front().code, id);
}

// What the reviewer changed is his edit: only where he might send directly, and never where two must sign.
bool is_edit(Context& context, const Review& review, const MessageRow& row, const Content& content) {
  if (!review.final_content || *review.final_content == content.envelope.body) return false;
  if (row.risk_level == RiskLevel::high)
    refuse_and_record(context,
                      {.code = Code::high_risk,
                       .title = "A high-risk message may not be edited in its review",
                       .detail = "Leave finalContent out, or reject it so that its author changes it."},
                      "HIGH_RISK_EDIT", row.id);
  if (grant(context.role(), Action::send_directly) != Grant::yes)
    refuse_and_record(context,
                      {.code = Code::forbidden,
                       .title = "You may not edit a message in its review",
                       .detail = "Leave finalContent out, or reject it so that its author changes it."},
                      "SELF_EDIT", row.id);
  return true;
}

void edit(Context& context, const std::string& text, MessageRow& row, Content& content) {
  if (content.details.content_draft.empty()) content.details.content_draft = content.envelope.body;
  content.envelope.body = text;
  content.version = row.version + 1;
  content.salt = make_salt(context.services.random);
  row.version = content.version;
  context.must(replace_content(context.tx(), row.id, content.version,
                               seal_envelope(context.services.keyring, row.id, content), context.user_id()));
}

void write_approval(Context& context, const Review& review, const MessageRow& row, const Content& content,
                    const Digest& commit, WallTime now) {
  const Keyring& keyring = context.services.keyring;
  ApprovalRow approval;
  approval.id = context.services.ids.next();
  approval.message_id = row.id;
  approval.version = row.version;
  approval.is_approved = review.is_approved;
  approval.is_direct = review.is_direct;
  approval.signer_id = context.user_id();
  approval.signer_role = context.role();
  approval.policy_id = kPolicyId;
  approval.envelope_commit = commit;
  if (review.is_approved) approval.mac = approval_mac(keyring.mac_key(), row.id, row.version, commit, kPolicyId);
  if (!review.notes.empty())
    approval.notes =
        keyring.seal_with(content.data_key, seal_binding("approval", approval.id, row.version, "notes"), review.notes);
  approval.review_ms = review.review_ms;
  approval.at = now;
  context.must(insert_approval(context.tx(), approval));
}

// The due row, and the hint to offer once it is committed.
Hint write_due(Context& context, const MessageRow& row, int attempt_no, const std::string& lane, WallTime now) {
  DueRow due;
  due.message_id = row.id;
  due.attempt_no = attempt_no;
  due.priority = row.priority;
  due.lane = lane;
  const std::string author = row.author_id.text();
  due.sender = author.substr(author.size() - 12);
  due.due_at = std::max(now, row.scheduled_for.value_or(now));
  due.send_until = row.expires_at;
  context.must(insert_due(context.tx(), due));
  Hint hint;
  hint.id = row.id;
  hint.priority = due.priority;
  hint.lane = due.lane;
  hint.sender = due.sender;
  hint.due_at = due.due_at;
  return hint;
}

void refuse_lone_signature(Context& context, const Review& review, const MessageRow& row) {
  const int quorum = context.services.high_risk_quorum;
  if (!review.is_approved || row.risk_level != RiskLevel::high || quorum <= 1) return;
  refuse_and_record(context,
                    {.code = Code::high_risk,
                     .title = "A high-risk message needs " + std::to_string(quorum) + " signatures",
                     .detail = "This version collects one. A site with one doctor may set approval.high_risk.quorum "
                               "to 1."},
                    "QUORUM", row.id);
}

http::Response decide(Context& context, const Review& review) {
  const WallTime now = context.services.clock.wall();
  MessageRow row = locked(context, review.message_id);
  check_right(context, review, row);
  Content content = content_of(context, row.id);

  ApprovalFacts facts = facts_of(context, row, content.envelope);
  facts.reviewer_id = context.user_id();
  facts.is_direct = review.is_direct;
  if (review.final_content) facts.has_content = !is_blank(*review.final_content);
  auto found = obstacles(facts);
  if (!review.is_approved)  // an empty text is a good reason to reject
    std::erase_if(found, [](const auto& o) { return o.code != "NOT_REVIEWABLE" && o.code != "SELF_REVIEW"; });
  if (!found.empty()) refuse_obstacles(context, found, row.id);
  const bool is_edited = is_edit(context, review, row, content);
  refuse_lone_signature(context, review, row);

  if (is_edited) edit(context, *review.final_content, row, content);
  if (!review.notes.empty()) content.details.review_notes = review.notes;
  if (is_edited || !review.notes.empty())
    context.must(replace_details(context.tx(), row.id, seal_details(context.services.keyring, row.id, content)));

  const bool is_sent = review.is_approved && row.delivery_method != DeliveryMethod::none;
  const Step step = !review.is_approved ? Step::reject : is_sent ? Step::approve : Step::file;
  const Status next = after(row.status, step).value_or(row.status);
  const Digest commit = content.commit();
  write_approval(context, review, row, content, commit, now);

  // `approved` is passed through: the event says it, the row keeps its status until `queued` follows below.
  Event reviewed = new_event(context, "reviewed");
  reviewed.envelope_commit = commit;
  reviewed.detail = {{"decision", review.is_approved ? std::string("approved") : std::string("rejected")},
                     {"direct", review.is_direct},
                     {"policyId", std::string(kPolicyId)},
                     {"selfEdited", is_edited},
                     {"version", int64_t{row.version}}};
  StatusChange change;
  change.id = row.id;
  change.status = is_sent ? row.status : next;
  change.before = row.head;
  change.entry = chain(std::move(reviewed), row.id, review.is_approved ? Status::approved : next, row.head);
  change.reviewer_id = context.user_id();
  if (review.is_approved) change.approved_at = now;
  context.must(change_status(context.tx(), change));

  std::vector<Hint> hints;
  if (is_sent) {
    const std::string lane = *context.services.routes.lane(row.kind, row.destination, row.tags);
    const int attempt_no = context.must(next_attempt_no(context.tx(), row.id));
    Event queued = new_event(context, "queued");
    queued.envelope_commit = commit;
    queued.detail = {{"attemptNo", int64_t{attempt_no}}, {"lane", lane}};
    StatusChange to_queue;
    to_queue.id = row.id;
    to_queue.status = next;
    to_queue.before = row.head;
    to_queue.entry = chain(std::move(queued), row.id, next, row.head);
    context.must(change_status(context.tx(), to_queue));
    hints.push_back(write_due(context, row, attempt_no, lane, now));
  }
  context.commit();
  if (!hints.empty() && context.services.offer) context.services.offer(std::move(hints));
  return http::json(
      200, "{\"messageId\":\"" + row.id.text() + "\",\"status\":\"" + std::string(name(next)) + "\",\"decision\":\"" +
               (review.is_approved ? "approved" : "rejected") + "\",\"version\":" + std::to_string(row.version) +
               ",\"selfEdited\":" + (is_edited ? "true" : "false") + ",\"reviewedAt\":\"" + rfc3339(now) + "\"}");
}

}  // namespace

http::Response post_review(Context& context) {
  context.only_query({});
  return decide(context, read_review(context, false));
}

http::Response post_send_directly(Context& context) {
  context.only_query({});
  return decide(context, read_review(context, true));
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

  MessageRow row = locked(context, id);
  if (grant(context.role(), Action::draft) != Grant::yes || row.author_id != context.user_id())
    refuse_and_record(context,
                      {.code = Code::forbidden,
                       .title = "You may not submit this message",
                       .detail = "Only its author submits it for review."},
                      "NOT_OWN", id);
  const auto next = after(row.status, Step::submit);
  if (!next)
    refuse_and_record(context,
                      {.code = Code::status_conflict,
                       .title = "The message is " + std::string(name(row.status)) + ": it cannot be submitted",
                       .detail = "Only a draft or a rejected message is submitted for review."},
                      "NOT_SUBMITTABLE", id);
  Content content = content_of(context, id);
  ApprovalFacts facts = facts_of(context, row, content.envelope);
  facts.status = *next;  // as its reviewer will find it; who that is stays open
  const auto found = obstacles(facts);
  if (!found.empty()) refuse_obstacles(context, found, id);
  if (!notes.empty()) {
    content.details.submit_notes = notes;
    context.must(replace_details(context.tx(), id, seal_details(context.services.keyring, id, content)));
  }
  const WallTime now = context.services.clock.wall();
  Event event = new_event(context, "submitted_for_review");
  event.envelope_commit = content.commit();
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
  context.only_query({"kind", "cursor", "limit"});
  MessageFilter filter = filter_for(context);
  filter.status = Status::pending_review;
  filter.is_oldest_first = true;
  if (const auto kind = context.request.query("kind")) {
    filter.kind = parse_kind(*kind);
    if (!filter.kind)
      context.refuse(
          {.code = Code::validation_error, .errors = {"kind is not one of its words: write sms, email or letter"}});
  }
  read_page(context, filter);
  auto rows = context.must(list_messages(context.tx(), filter));
  context.commit();
  return http::json(200, page_json(std::move(rows), filter));
}

}  // namespace signet::api
