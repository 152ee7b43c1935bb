#include "tests/fakes/approved_messages.h"

#include <stdexcept>

#include "daemon/evidence/entry_of.h"
#include "message/policy.h"
#include "store/approvals.h"

namespace signet {
namespace {

void must(const Result<void>& done) {
  if (!done) throw std::runtime_error(done.error().text);
}

Entry entry_for(const Uuid& event_id, const Uuid& message_id, const char* action, const char* status, WallTime at,
                const Head& head, const ApprovalRow* approval = nullptr) {
  Event event;
  if (approval) {
    event.envelope_commit = approval->envelope_commit;
    event.detail = {{"attemptNo", int64_t{1}}, {"policyId", approval->policy_id}};
  }
  event.id = event_id;
  event.at = at;
  event.actor = {"test", "staff", "", "", ""};
  event.action = action;
  event.object.id = message_id.text();
  event.object.n = head.n + 1;
  if (head.n > 0) event.object.prev = head.leaf;
  event.status = status;
  return entry_of(event, message_id);
}

}  // namespace

ApprovedMessages::ApprovedMessages(PgSession& session, const Keyring& keys, const Clock& clock, Random& random)
    : session_(session), keys_(keys), clock_(clock), random_(random), ids_(clock, random) {
  author_ = ids_.next();
  reviewer_ = ids_.next();
}

std::vector<Uuid> ApprovedMessages::insert(const std::vector<ApprovedOptions>& messages) {
  std::vector<Uuid> out;
  PgTransaction tx(session_);
  for (const auto& options : messages) {
    const WallTime now = clock_.wall();
    MessageRow row;
    row.id = ids_.next();
    row.kind = options.envelope.kind;
    row.delivery_method = row.kind == Kind::sms ? DeliveryMethod::sms : DeliveryMethod::email;
    row.status = Status::pending_review;
    row.priority = options.priority;
    row.max_attempts = options.max_attempts;
    row.author_id = row.last_editor_id = author_;
    row.recipient_key = std::string(view(recipient_key(keys_.index_key(), options.envelope.recipient)));
    row.expires_at = options.expires_at;

    std::string salt(32, '\0');
    random_.fill(salt.data(), salt.size());
    const auto key = keys_.make_data_key(row.id.text());
    SealedContent content;
    content.kek_id = keys_.kek_id();
    content.wrapped_key = key.wrapped;
    content.sealed =
        keys_.seal_with(key.key, seal_binding("content", row.id, 1, "sealed"), pack(salt, options.envelope));
    const Entry submitted = entry_for(ids_.next(), row.id, "submitted_for_review", "pending_review", now, {});
    must(insert_message(tx, row, content, submitted));

    ApprovalRow approval;
    approval.id = ids_.next();
    approval.message_id = row.id;
    approval.signer_id = reviewer_;
    approval.policy_id = kPolicyId;
    approval.envelope_commit = envelope_commit(salt, options.envelope);
    approval.mac = approval_mac(keys_.mac_key(), row.id, 1, approval.envelope_commit, kPolicyId);
    approval.at = now;
    must(insert_approval(tx, approval));
    StatusChange change;
    change.id = row.id;
    change.status = Status::queued;
    change.before = {1, submitted.leaf};
    change.entry = entry_for(ids_.next(), row.id, "queued", "queued", now, change.before, &approval);
    change.approved_at = now;
    must(change_status(tx, change));
    must(insert_due(tx, {row.id, 1, options.priority, options.lane, "tester", "", now, options.expires_at}));
    out.push_back(row.id);
  }
  must(tx.commit());
  return out;
}

Envelope sms(const std::string& recipient, const std::string& body) { return {Kind::sms, recipient, "", body, {}}; }
Envelope mail(const std::string& recipient, const std::string& subject, const std::string& body) {
  return {Kind::email, recipient, subject, body, {}};
}
Keyring test_keys(Random& random) {
  return Keyring(Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), random);
}

}  // namespace signet
