#include "tests/fakes/approved_messages.h"

#include <stdexcept>

#include "base/bytes.h"
#include "daemon/evidence/entry_of.h"
#include "message/policy.h"
#include "store/approvals.h"
#include "tests/fakes/columns.h"

namespace signet {
namespace {

void must(const Result<void>& done) {
  if (!done) throw std::runtime_error(done.error().text);
}

template <class Enum>
std::string number(Enum value) {
  return std::to_string(static_cast<int>(value));
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
  Columns rows(19), entries(7);
  auto put = [&](const Entry& entry) {
    entries.add({entry.event_id.text(), entry.object_id.text(), to_hex(entry.canon), to_hex(view(entry.leaf)),
                 entry.action, std::to_string(entry.status), rfc3339(entry.at)});
  };
  for (const auto& options : messages) {
    const WallTime now = clock_.wall();
    const Uuid id = ids_.next();
    const Envelope& envelope = options.envelope;
    std::string salt(32, '\0');
    random_.fill(salt.data(), salt.size());
    const auto key = keys_.make_data_key(id.text());
    ApprovalRow approval;
    approval.id = ids_.next();
    approval.policy_id = kPolicyId;
    approval.envelope_commit = envelope_commit(salt, envelope);
    const Entry submitted = entry_for(ids_.next(), id, "submitted_for_review", "pending_review", now, {});
    const Entry queued = entry_for(ids_.next(), id, "queued", "queued", now, {1, submitted.leaf}, &approval);
    put(submitted);
    put(queued);
    const auto method = envelope.kind == Kind::sms ? DeliveryMethod::sms : DeliveryMethod::email;
    rows.add({id.text(), number(envelope.kind), number(method), number(options.priority),
              std::to_string(options.max_attempts), to_hex(view(recipient_key(keys_.index_key(), envelope.recipient))),
              options.expires_at ? rfc3339(*options.expires_at) : "", to_hex(view(queued.leaf)), rfc3339(now),
              to_hex(key.wrapped),
              to_hex(keys_.seal_with(key.key, seal_binding("content", id, 1, "sealed"), pack(salt, envelope))),
              approval.id.text(), to_hex(view(approval.envelope_commit)),
              to_hex(view(approval_mac(keys_.mac_key(), id, 1, approval.envelope_commit, kPolicyId))), options.lane,
              std::to_string(shard_of(id)), author_.text(), reviewer_.text(), options.destination});
    out.push_back(id);
  }
  const std::string from = " from " + rows.unnest(
                                          "id, kind, method, priority, attempts, recipient, expires, leaf, at, "
                                          "wrapped, sealed, approval, commitment, mac, lane, shard, author, "
                                          "reviewer, destination");
  PgTransaction tx(session_);
  auto run = [&tx](const std::string& sql, const Columns& columns) {
    auto done = tx.run(sql, columns.values());
    if (!done) throw std::runtime_error(done.error().text);
  };
  run("insert into message (id, kind, delivery_method, status, priority, max_attempts, author_id, last_editor_id, "
      "recipient_key, destination, expires_at, event_n, event_leaf, approved_at) select id::uuid, kind::smallint, "
      "method::smallint, " +
          number(Status::queued) +
          ", priority::smallint, attempts::smallint, author::uuid, author::uuid, decode(recipient, 'hex'), "
          "destination, nullif(expires, '')::timestamptz, 2, decode(leaf, 'hex'), at::timestamptz" +
          from,
      rows);
  run("insert into data_key (message_id, kek_id, wrapped) select id::uuid, '" + keys_.kek_id() +
          "', decode(wrapped, 'hex')" + from,
      rows);
  run("insert into content (message_id, version, sealed) select id::uuid, 1, decode(sealed, 'hex')" + from, rows);
  run("insert into approval (id, message_id, version, decision, signer_id, signer_role, policy_id, envelope_commit, "
      "approval_mac, at) select approval::uuid, id::uuid, 1, 1, reviewer::uuid, " +
          number(Role::reviewer) + ", '" + std::string(kPolicyId) +
          "', decode(commitment, 'hex'), decode(mac, 'hex'), at::timestamptz" + from,
      rows);
  run("insert into audit.entry (event_id, object_id, canon, leaf, action, status, at) select event::uuid, id::uuid, "
      "decode(canon, 'hex'), decode(leaf, 'hex'), action, status::smallint, at::timestamptz from " +
          entries.unnest("event, id, canon, leaf, action, status, at"),
      entries);
  run("insert into due (message_id, attempt_no, priority, lane, sender, due_at, send_until, shard) select id::uuid, 1, "
      "priority::smallint, lane, 'tester', at::timestamptz, nullif(expires, '')::timestamptz, shard::smallint" +
          from,
      rows);
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
