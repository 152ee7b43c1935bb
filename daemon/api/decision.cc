#include "daemon/api/decision.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/own_signature.h"
#include "daemon/api/provenance.h"
#include "daemon/api/views.h"
#include "daemon/delivery/due_plan.h"
#include "message/lifecycle.h"
#include "message/policy.h"
#include "store/integrity.h"
#include "store/suppressions.h"

namespace signet::api {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

void check_right(Context& context, const Review& review, const MessageRow& row) {
  const bool is_letter = row.kind == Kind::letter;
  if (is_letter && review.is_direct)
    context.refuse({.code = Code::forbidden,
                    .title = "A letter cannot be sent directly",
                    .detail = "Its physician approves it: POST /api/letters/{id}/approve.",
                    .reason = "LETTER_DIRECT"});
  // Who may sign a letter, and when, is the quorum's to say; here: whose role signs letters at all.
  const bool may =
      is_letter ? grant(review.reviewer.role, Action::approve_letter) != Grant::no ||
                      grant(review.reviewer.role, Action::second_signature) == Grant::yes
                : grant(review.reviewer.role, review.is_direct ? Action::send_directly : Action::review) == Grant::yes;
  if (!may && is_letter) context.refuse({.code = Code::foreign_letter, .reason = "ROLE"});
  if (!may)
    context.refuse({.code = Code::forbidden,
                    .title = review.is_direct ? "Your role may not send directly" : "Your role may not review",
                    .detail = review.is_direct ? "Submit the message for review instead."
                                               : "A reviewer or a doctor has to review it.",
                    .reason = "ROLE"});
  if (review.is_direct && !is_own(context, row) && sight_of(context, row) != Sight::content)
    context.refuse({.code = Code::forbidden,
                    .title = "This message is not yours to send",
                    .detail = "One sends directly what one wrote or what waits for one's review.",
                    .reason = "OUT_OF_SCOPE"});
}

template <class T>
bool change_by_id(std::vector<T>& items, const std::string& id, const std::function<void(T&)>& change) {
  for (auto& item : items)
    if (item.id == id) {
      change(item);
      return true;
    }
  return false;
}

// Marks what the review names, and counts the ids that the message does not have.
void apply(Context& context, const Review& review, Clinical& clinical, ApprovalFacts& facts) {
  const WallTime now = context.services.clock.wall();
  for (const auto& id : review.verified_value_ids) {
    const bool is_known = change_by_id<ClinicalValue>(clinical.values, id, [&](ClinicalValue& value) {
      if (value.is_verified) return;
      value.is_verified = true;
      value.verified_at = now;
      value.verified_by = review.reviewer.id;
    });
    if (!is_known) ++facts.unknown_values;
  }
  for (const auto& id : review.dismissed_flag_ids) {
    const bool is_known = change_by_id<HallucinationFlag>(clinical.flags, id, [&](HallucinationFlag& flag) {
      flag.is_dismissed = true;
      for (const auto& [flag_id, reason] : review.dismissed_reasons)
        if (flag_id == id) flag.dismissed_reason = reason;
    });
    if (!is_known) ++facts.unknown_flags;
  }
}

ApprovalFacts facts_for(Context& context, const Review& review, const MessageRow& row, const Content& content,
                        const TextDiff& diff) {
  const auto& policy = context.services.approval;
  ApprovalFacts facts;
  facts.status = row.status;
  facts.kind = row.kind;
  facts.method = row.delivery_method;
  facts.risk = row.risk_level;
  facts.author_id = row.author_id;
  facts.last_editor_id = row.last_editor_id;
  facts.reviewer_id = review.reviewer.id;
  facts.is_direct = review.is_direct;
  facts.reviewer_role = review.reviewer.role;
  facts.physician_id = row.physician_id.value_or(Uuid{});
  facts.delegates = delegates_of(context, row);
  facts.has_content = !is_blank(content.envelope.body);
  facts.has_recipient = !content.envelope.recipient.empty();
  facts.is_suppressed = !row.recipient_key.empty() && context.must(is_suppressed(context.tx(), row.recipient_key));
  facts.has_route = context.services.routes.lane(row.kind, row.destination, row.tags).has_value();
  facts.is_expired = row.expires_at && *row.expires_at <= context.services.clock.wall();
  facts.values = content.details.clinical.values;
  facts.flags = content.details.clinical.flags;
  facts.risk_score = content.details.clinical.generation.hallucination_risk_score;
  facts.purpose = row.purpose;
  facts.clinical_changes = diff.clinical_changes();
  facts.duplicate_window_h = policy.duplicate_window_h;
  if (policy.duplicate_window_h > 0 && !row.recipient_key.empty()) {
    const WallTime since{context.services.clock.wall().us - policy.duplicate_window_h * kHourUs};
    const Digest key = content_key(context.services.keyring.index_key(), content.envelope.body);
    facts.is_duplicate = context.must(count_same_text(context.tx(), row.id, row.recipient_key, view(key), since)) > 0;
  }
  return facts;
}

std::vector<std::string> texts_of(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const auto& finding : findings) out.push_back(finding.text);
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

std::string codes_of(const std::vector<Finding>& findings) {
  std::string out;
  for (const auto& finding : findings) out += (out.empty() ? "" : ",") + finding.code;
  return out;
}

[[noreturn]] void refuse_findings(Context& context, const Validation& validation, const MessageRow& row) {
  const Finding* forbidden = nullptr;
  for (const auto& error : validation.errors)
    if (error.is_forbidden && forbidden == nullptr) forbidden = &error;
  Refused refused;
  refused.code = forbidden != nullptr ? Code::forbidden : Code::validation_error;
  refused.title = forbidden != nullptr       ? "You may not review this message"
                  : row.kind == Kind::letter ? "Letter does not meet approval requirements"  // the origin's words
                                             : "Message does not meet approval requirements";
  refused.detail = forbidden != nullptr ? forbidden->text : "";
  refused.reason = forbidden != nullptr ? forbidden->code : validation.errors.front().code;
  // Names of clinical values are for those entitled to the content, and never for a log: the record has the code only.
  refused.errors = texts_of(validation.errors);
  refused.warnings = texts_of(validation.warnings);
  std::string reasons;
  for (const auto& error : validation.errors) reasons += (reasons.empty() ? "\"" : ",\"") + error.code + '"';
  refused.members = "{\"reasons\":[" + reasons + "]}";
  context.refuse(std::move(refused));
}

// What a reviewer changes is his edit: only where he might send directly or answers for the letter, and never where two
// must sign.
void check_edit(Context& context, const Review& review, const MessageRow& row, bool is_high_risk) {
  if (is_high_risk)
    context.refuse({.code = Code::high_risk,
                    .title = "A high-risk message may not be edited in its review",
                    .detail = "Leave finalContent out, or reject it so that its author changes it.",
                    .reason = "HIGH_RISK_EDIT"});
  const bool may = row.kind == Kind::letter ? answers_for(context, row)
                                            : grant(review.reviewer.role, Action::send_directly) == Grant::yes;
  if (!may)
    context.refuse({.code = Code::forbidden,
                    .title = "You may not edit a message in its review",
                    .detail = "Leave finalContent out, or reject it so that its author changes it.",
                    .reason = "SELF_EDIT"});
}

Meaning meaning_of(const Review& review, const MessageRow& row, int signatures_before) {
  if (review.is_direct) return Meaning::sent_directly;
  if (signatures_before > 0) return Meaning::second_signature;
  return row.kind == Kind::letter ? Meaning::approved_own_letter : Meaning::approved;
}

// `version`: before this review's own edit.
QuorumState quorum_for(Context& context, const MessageRow& row, int version, const Review& review, bool is_high_risk) {
  if (review.is_direct) return {QuorumNext::complete, "", "", 1, 1};  // high risk is refused before
  QuorumFacts facts;
  facts.kind = row.kind;
  facts.version = version;
  facts.is_high_risk = is_high_risk;
  facts.author_id = row.author_id;
  facts.last_editor_id = row.last_editor_id;
  facts.physician_id = row.physician_id.value_or(Uuid{});
  facts.delegates = delegates_of(context, row);
  facts.signer = review.reviewer.id;
  facts.role = review.reviewer.role;
  facts.now = context.services.clock.wall();
  std::vector<Signature> before;
  for (const auto& approval : context.must(list_approvals(context.tx(), row.id, version)))
    if (approval.is_approved)
      before.push_back({approval.signer_id, approval.signer_role, approval.at, approval.version});
  return quorum(facts, before, context.services.approval.high_risk);
}

ApprovalRow approval_of(Context& context, const Review& review, const Prepared& p, WallTime now) {
  const Keyring& keyring = context.services.keyring;
  ApprovalRow approval;
  approval.id = context.services.ids.next();
  approval.message_id = p.row.id;
  approval.version = p.row.version;
  approval.is_approved = review.is_approved;
  approval.is_direct = review.is_direct;
  approval.signer_id = review.reviewer.id;
  approval.signer_role = review.reviewer.role;
  approval.policy_id = kPolicyId;
  approval.envelope_commit = p.content.commit();
  if (!review.notes.empty())
    approval.notes = seal_beside(keyring, p.content, "approval", approval.id, approval.version, "notes", review.notes);
  approval.review_ms = review.review_ms;
  approval.at = now;
  return approval;
}

void move(Context& context, MessageRow& row, StatusChange change, Event event, Status shown) {
  change.id = row.id;
  change.before = row.head;
  change.entry = chain(std::move(event), row.id, shown, row.head);
  context.must(change_status(context.tx(), change));
  row.status = change.status;
}

void write_content(Context& context, const Review& review, const Prepared& p, WallTime now) {
  const Keyring& keyring = context.services.keyring;
  if (p.is_edited) {
    context.must(replace_content(context.tx(), p.row.id, p.content.version, seal_envelope(keyring, p.row.id, p.content),
                                 review.reviewer.id));
    context.must(write_facts(context.tx(), p.row.id, facts_of(keyring, p.content)));
    record_edit(context, p.row.id, p.content, p.edit, now);
  }
  const bool has_changed =
      p.is_edited || !review.notes.empty() || !review.verified_value_ids.empty() || !review.dismissed_flag_ids.empty();
  if (has_changed) context.must(replace_details(context.tx(), p.row.id, seal_details(keyring, p.row.id, p.content)));
}

Decided reject(Context& context, const Review& review, Prepared p) {
  const WallTime now = context.services.clock.wall();
  write_content(context, review, p, now);
  context.must(insert_approval(context.tx(), approval_of(context, review, p, now)));
  Event event = new_event(context, "reviewed");
  event.at = now;  // of the approval's row too: the leaf covers it
  event.envelope_commit = p.content.commit();
  event.detail = {{"decision", std::string("rejected")},
                  {"direct", false},
                  {"policyId", std::string(kPolicyId)},
                  {"selfEdited", p.is_edited},
                  {"version", int64_t{p.row.version}}};
  if (review.review_ms) event.detail.emplace_back("reviewDurationMs", *review.review_ms);
  if (!review.notes.empty()) event.detail.emplace_back("hasNotes", true);
  StatusChange change;
  change.status = Status::rejected;
  change.reviewer_id = review.reviewer.id;
  change.ends_claim = true;
  move(context, p.row, change, std::move(event), Status::rejected);
  context.commit();
  Decided out;
  out.row = p.row;
  out.status = Status::rejected;
  out.at = now;
  return out;
}

}  // namespace

void check_deliverable(Context& context, const MessageRow& row, const Content& content) {
  static constexpr std::string_view kItsOwn[] = {"CONTENT_EMPTY", "RECIPIENT_MISSING", "RECIPIENT_SUPPRESSED",
                                                 "NO_ROUTE", "EXPIRED"};
  ApprovalFacts facts = facts_for(context, {}, row, content, {});
  facts.status = Status::pending_review;
  Validation validation = validate(facts, context.services.approval.high_risk);
  std::erase_if(validation.errors, [](const Finding& f) {
    return std::find(std::begin(kItsOwn), std::end(kItsOwn), f.code) == std::end(kItsOwn);
  });
  validation.warnings.clear();
  if (!validation.errors.empty()) refuse_findings(context, validation, row);
}

Prepared prepare(Context& context, const Review& review, MessageRow row, const std::optional<std::string>& salt) {
  check_right(context, review, row);
  if (review.is_approved && context.services.approval.faults_stop && context.must(has_open_faults(context.tx())))
    context.refuse({.code = Code::evidence_faulty});
  check_claim(context, row);
  Prepared p;
  p.row = std::move(row);
  p.content = content_of(context, p.row.id);
  const std::string before = p.content.envelope.body;
  const int version = p.row.version;
  p.is_edited = review.final_content && *review.final_content != before;
  ApprovalFacts unknown;
  apply(context, review, p.content.details.clinical, unknown);
  if (p.is_edited) {
    if (p.content.details.content_generated.empty()) p.content.details.content_generated = before;
    p.content.details.content_draft = before;
    p.content.envelope.body = *review.final_content;
    p.content.version = ++p.row.version;
    p.content.salt = salt ? *salt : make_salt(context.services.random);
    p.edit = diff_text(before, p.content.envelope.body);
  }
  if (!review.notes.empty()) p.content.details.review_notes = review.notes;
  p.diff = p.content.original() == p.content.envelope.body ? TextDiff{}
                                                           : diff_text(p.content.original(), p.content.envelope.body);
  ApprovalFacts facts = facts_for(context, review, p.row, p.content, p.diff);
  facts.unknown_values = unknown.unknown_values;
  facts.unknown_flags = unknown.unknown_flags;
  p.validation = validate(facts, context.services.approval.high_risk);
  if (!review.is_approved)  // an empty text is a good reason to reject
    std::erase_if(p.validation.errors,
                  [](const Finding& f) { return f.code != "NOT_REVIEWABLE" && f.code != "SELF_REVIEW"; });
  if (!review.is_approved && p.validation.errors.empty() && !after(p.row.status, Step::reject))
    p.validation.errors.push_back({"NOT_REVIEWABLE", "A draft is not rejected: its author or physician edits it."});
  if (review.is_approved || p.row.kind == Kind::letter) {
    // Whose letter it is comes before what is wrong with it.
    p.quorum = quorum_for(context, p.row, version, review, p.validation.is_high_risk);
    if (p.quorum.next == QuorumNext::refused && p.quorum.reason == "NOT_THE_PHYSICIAN")
      context.refuse({.code = Code::foreign_letter, .reason = p.quorum.reason});
  }
  if (!p.validation.errors.empty()) refuse_findings(context, p.validation, p.row);
  if (p.is_edited) check_edit(context, review, p.row, p.validation.is_high_risk);
  if (!review.is_approved) return p;
  if (p.quorum.next == QuorumNext::refused)
    context.refuse({.code = Code::forbidden,
                    .title = "You may not sign this message",
                    .detail = p.quorum.text,
                    .reason = p.quorum.reason});

  Statement& s = p.statement;
  s.message_id = p.row.id;
  s.version = p.row.version;
  s.envelope_commit = p.content.commit();
  if (!p.diff.changes.empty()) s.diff_commit = diff_commit(p.content.salt, canonical(p.diff));
  s.validation_sha256 = validation_sha256(p.validation);
  s.meaning = meaning_of(review, p.row, p.quorum.signatures - 1);
  s.signer = review.reviewer.id;
  s.role = review.reviewer.role;
  s.policy_id = kPolicyId;
  return p;
}

Decided record(Context& context, const Review& review, Prepared& p, const SignedStatement& by, WallTime now,
               std::vector<Hint>& hints) {
  write_content(context, review, p, now);

  ApprovalRow approval = approval_of(context, review, p, now);
  approval.meaning = name(p.statement.meaning);
  approval.diff_commit = p.statement.diff_commit;
  approval.validation_sha256 = p.statement.validation_sha256;
  approval.key_id = by.key.key_id;
  approval.algorithm = static_cast<int>(by.key.algorithm);
  approval.custody = name(by.key.custody);
  approval.dsse =
      seal_beside(context.services.keyring, p.content, "approval", approval.id, approval.version, "dsse", by.envelope);
  Decided out;
  out.is_complete = p.quorum.next == QuorumNext::complete;
  if (out.is_complete)
    approval.mac =
        approval_mac(context.services.keyring.mac_key(), p.row.id, p.row.version, approval.envelope_commit, kPolicyId);
  context.must(insert_approval(context.tx(), approval));

  out.is_edited = p.is_edited;
  out.at = now;
  out.signatures = p.quorum.signatures;
  out.required = p.quorum.required;
  out.warnings = texts_of(p.validation.warnings);
  Event event = new_event(context, out.is_complete ? "reviewed" : "signed");
  event.at = now;
  event.envelope_commit = approval.envelope_commit;
  event.detail = {{"algorithm", std::string(name(by.key.algorithm))},
                  {"clinicalChanges", static_cast<int64_t>(p.diff.clinical_changes())},
                  {"custody", std::string(name(by.key.custody))},
                  {"flagsDismissed", static_cast<int64_t>(review.dismissed_flag_ids.size())},
                  {"keyId", by.key.key_id},
                  {"meaning", std::string(name(p.statement.meaning))},
                  {"policyId", std::string(kPolicyId)},
                  {"required", int64_t{out.required}},
                  {"riskReasons", joined(p.validation.high_risk_reasons)},
                  {"selfEdited", p.is_edited},
                  {"signatures", int64_t{out.signatures}},
                  {"valuesVerified", static_cast<int64_t>(review.verified_value_ids.size())},
                  {"version", int64_t{p.row.version}},
                  {"warnings", codes_of(p.validation.warnings)}};
  if (review.reviewer.id != context.user_id()) event.detail.emplace_back("signerId", review.reviewer.id.text());
  if (review.review_ms) event.detail.emplace_back("reviewDurationMs", *review.review_ms);
  if (!review.notes.empty()) event.detail.emplace_back("hasNotes", true);
  // The row's own commitments, so that they stand in the log when the signature that holds them is erased.
  if (approval.diff_commit) event.detail.emplace_back("diffCommit", to_hex(view(*approval.diff_commit)));
  if (approval.validation_sha256)
    event.detail.emplace_back("validationSha256", to_hex(view(*approval.validation_sha256)));
  StatusChange change;
  change.reviewer_id = review.reviewer.id;
  change.ends_claim = true;
  if (!out.is_complete) {
    change.status = p.row.status == Status::pending_review ? p.row.status : Status::pending_review;
    if (!p.row.submitted_at) change.submitted_at = now;
    move(context, p.row, change, std::move(event), Status::pending_review);
    out.row = p.row;
    out.status = p.row.status;
    return out;
  }

  event.detail.emplace_back("decision", std::string("approved"));
  event.detail.emplace_back("direct", review.is_direct);
  if (p.validation.is_high_risk && out.required == 1) event.detail.emplace_back("quorumLowered", true);
  const auto provenance = record_provenance(context, p, review, now);
  out.provenance_id = provenance.id;
  event.provenance_sha256 = provenance.sha256;
  const bool is_sent = p.row.delivery_method != DeliveryMethod::none;
  const Status next = is_sent ? Status::queued : Status::approved;
  // `approved` is passed through: the event says it, the row keeps its status until `queued` follows below.
  change.status = is_sent ? p.row.status : next;
  change.approved_at = now;
  move(context, p.row, change, std::move(event), Status::approved);
  if (is_sent) {
    const int attempt_no = context.must(next_attempt_no(context.tx(), p.row.id));
    const WallTime earliest = std::max(now, p.row.scheduled_for.value_or(now));
    const DueRow due = *context.services.due_plan->row(due_facts(p.row), attempt_no, earliest);  // validated: a route
    Event queued = new_event(context, "queued");
    queued.envelope_commit = approval.envelope_commit;
    queued.detail = {{"attemptNo", int64_t{attempt_no}}, {"lane", due.lane}};
    StatusChange to_queue;
    to_queue.status = next;
    move(context, p.row, to_queue, std::move(queued), next);
    context.must(insert_due(context.tx(), due));
    hints.push_back({due.message_id, due.priority, due.lane, due.sender, due.due_at});
  }
  out.row = p.row;
  out.status = next;
  return out;
}

void offer(Context& context, std::vector<Hint> hints) {
  // The relay offers the others when their time comes near.
  const WallTime last{context.services.clock.wall().us + kOfferAheadUs};
  std::erase_if(hints, [last](const Hint& hint) { return hint.due_at > last; });
  if (!hints.empty() && context.services.offer) context.services.offer(std::move(hints));
}

Decided decide(Context& context, const Review& review, MessageRow row) {
  std::optional<OwnSignature> own;
  if (!review.signature.empty()) own = own_signature(context, review);
  Prepared p = prepare(context, review, std::move(row), own ? std::optional(own->salt) : std::nullopt);
  if (!review.is_approved) return reject(context, review, std::move(p));

  const WallTime now = context.services.clock.wall();
  SignedStatement by;
  if (own) {
    p.statement.at = own->statement.at;
    p.statement.nonce = own->statement.nonce;
    // Whatever moved since the statement was made moved what it commits to.
    if (canonical(p.statement) != own->row.payload)
      refuse_signature(context, "STATEMENT_STALE",
                       "The message has changed since the statement was made: ask for another.");
    context.must(use_statement(context.tx(), own->row.nonce, now));
    by = {review.signature, own->key};
  } else {
    p.statement.nonce = make_salt(context.services.random);
    by = sign_for_caller(context, kApprovalPayloadType, now, [&](WallTime at) {
      p.statement.at = at;
      return canonical(p.statement);
    });
  }
  std::vector<Hint> hints;
  Decided out = record(context, review, p, by, now, hints);
  context.commit();
  SIGNET_CRASH_POINT(approved);
  offer(context, std::move(hints));
  return out;
}

}  // namespace signet::api
