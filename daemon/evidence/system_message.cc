#include "daemon/evidence/system_message.h"

#include "daemon/evidence/entry_of.h"
#include "message/envelope.h"
#include "message/phone.h"
#include "message/policy.h"
#include "store/approvals.h"
#include "store/messages.h"

namespace signet {
namespace {

constexpr char kPurpose[] = "system";

}  // namespace

MessageRow SystemMessages::row_of(Kind kind, DeliveryMethod method, const std::string& recipient,
                                  const std::string& reference) {
  MessageRow row;
  row.id = ids_.next();
  row.kind = kind;
  row.delivery_method = method;
  row.author_id = row.last_editor_id = kSystemUser;
  row.recipient_key = std::string(view(recipient_key(keys_.index_key(), recipient)));
  row.purpose = kPurpose;
  row.client_reference = reference;
  row.is_urgent = true;  // who runs this, and who asked, is told at any hour
  return row;
}

Result<Uuid> SystemMessages::queue(PgTransaction& tx, const SystemMail& mail) {
  auto address = parse_mail_address(mail.recipient);
  if (!address || !recipients_.contains(mail.recipient))
    return Error{ErrorCode::invalid,
                 "the recipient is none that the configuration names: see alerts.receivers, reports"};
  auto first = find_by_client_reference(tx, kSystemUser, mail.reference);
  if (!first) return first.error();
  if (first->has_value()) return **first;
  MessageRow row = row_of(Kind::email, DeliveryMethod::email, mail.recipient, mail.reference);
  row.priority = mail.priority;
  row.destination = address->domain;
  const auto due = due_plan_.row(due_facts(row), 1, clock_.wall());
  if (!due) return Error{ErrorCode::invalid, "no route leads to the recipient's domain: add one of kind email"};
  return queue(tx, row, *due, {Kind::email, mail.recipient, mail.subject, mail.body, {}});
}

Result<Uuid> SystemMessages::queue(PgTransaction& tx, const SystemText& text) {
  auto phone = parse_phone(text.recipient);
  if (!phone) return phone.error();
  auto first = find_by_client_reference(tx, kSystemUser, text.reference);
  if (!first) return first.error();
  if (first->has_value()) return **first;
  MessageRow row = row_of(Kind::sms, DeliveryMethod::sms, phone->e164, text.reference);
  row.destination = phone->country;
  auto due = due_plan_.row(due_facts(row), 1, clock_.wall());
  if (!due) return Error{ErrorCode::invalid, "no route leads to the recipient's country: add one of kind sms"};
  due->provider = text.provider;
  return queue(tx, row, *due, {Kind::sms, phone->e164, "", text.body, {}});
}

Result<Uuid> SystemMessages::queue(PgTransaction& tx, MessageRow& row, const DueRow& due, const Envelope& envelope) {
  const WallTime now = clock_.wall();
  std::string salt(32, '\0');
  random_.fill(salt.data(), salt.size());
  const Digest commit = envelope_commit(salt, envelope);
  const auto key = keys_.make_data_key(row.id.text());
  SealedContent content;
  content.kek_id = keys_.kek_id();
  content.wrapped_key = key.wrapped;
  content.sealed = keys_.seal_with(key.key, seal_binding("content", row.id, 1, "sealed"), pack(salt, envelope));

  auto event = [&](const char* action, Status status, const Head& head) {
    Event out;
    out.id = ids_.next();
    out.at = now;
    out.actor = {instance_, "daemon", "", "", ""};
    out.action = action;
    out.object = {"message", row.id.text(), head.n + 1, head.n > 0 ? std::optional(head.leaf) : std::nullopt};
    out.status = name(status);
    out.envelope_commit = commit;
    return out;
  };
  Event drafted = event("draft_generated", Status::pending, {});
  drafted.detail = {{"kind", std::string(name(row.kind))}, {"source", std::string(kPurpose)}};
  const Entry draft = entry_of(drafted, row.id);
  if (auto done = insert_message(tx, row, content, draft); !done) return done.error();

  ApprovalRow approval;
  approval.id = ids_.next();
  approval.message_id = row.id;
  approval.is_direct = true;
  approval.signer_id = kSystemUser;
  approval.signer_role = Role::service;
  approval.policy_id = kSystemPolicyId;
  approval.envelope_commit = commit;
  approval.mac = approval_mac(keys_.mac_key(), row.id, 1, commit, kSystemPolicyId);
  approval.at = now;
  if (auto done = insert_approval(tx, approval); !done) return done.error();

  StatusChange change;
  change.id = row.id;
  change.status = Status::queued;
  change.before = {1, draft.leaf};
  Event queued = event("queued", Status::queued, change.before);
  queued.detail = {{"attemptNo", int64_t{1}}, {"lane", due.lane}, {"policyId", std::string(kSystemPolicyId)}};
  change.entry = entry_of(queued, row.id);
  change.approved_at = now;
  if (auto done = change_status(tx, change); !done) return done.error();

  if (auto done = insert_due(tx, due); !done) return done.error();
  return row.id;
}

}  // namespace signet
