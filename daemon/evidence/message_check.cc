#include "daemon/evidence/message_check.h"

#include <algorithm>
#include <set>

#include "audit/attempt.h"
#include "audit/dsse.h"
#include "audit/provenance.h"
#include "base/bytes.h"
#include "daemon/evidence/callback_hash.h"
#include "message/envelope.h"
#include "message/statement.h"

namespace signet {
namespace {

struct Told {  // an event, as it stands in the log
  const Entry* entry = nullptr;
  EventProjection event;
};

std::string hex(const std::optional<Digest>& digest) { return digest ? to_hex(view(*digest)) : std::string(); }

class Check {
 public:
  Check(const MessageEvidence& message, const Keyring& keys, const SignerKeys& signers)
      : m_(message), keys_(keys), signers_(signers) {
    for (const auto& entry : m_.entries) {
      auto event = parse_event(entry.canon);  // what is none is found where the log is read
      if (!event) continue;
      is_purged_ = is_purged_ || event->action == "purged";
      if (event->n) told_.push_back({&entry, std::move(*event)});
    }
    std::stable_sort(told_.begin(), told_.end(), [](const Told& a, const Told& b) { return *a.event.n < *b.event.n; });
  }

  MessageVerdict run() {
    check_chain();
    check_attempts();
    check_confirmations();
    check_decisions();
    open_key();
    check_content();
    check_approvals();
    check_provenance();
    check_edits();
    return {std::move(out_), is_erased_};
  }

 private:
  void found(const char* what, const Told* told, std::string relation, std::string row_key) {
    Discrepancy finding{what, std::nullopt, std::nullopt, std::move(relation), std::move(row_key)};
    if (told) finding.event_id = told->entry->event_id;
    out_.push_back(std::move(finding));
  }
  std::string key(const std::string& rest) const { return m_.id.text() + '/' + rest; }

  // Numbered without gaps, each holding the leaf before; head and status are those of the last.
  void check_chain() {
    int64_t n = 0;
    std::optional<Digest> before;
    for (const auto& told : told_) {
      n++;
      if (*told.event.n != n || told.event.prev != before)
        found("chain", &told, "audit.entry", told.entry->event_id.text());
      n = *told.event.n;
      before = told.entry->leaf;
    }
    const Told* last = told_.empty() ? nullptr : &told_.back();
    if (!m_.is_there || m_.head.n != n || !before || m_.head.leaf != *before)
      found("head", last, "message", m_.id.text());
    else if (last && parse_status(last->event.status) != static_cast<Status>(m_.status))
      found("status", last, "message", m_.id.text());
  }

  void check_attempts() {
    std::set<int> named;
    for (const auto& told : told_) {
      const auto voided = told.event.number("void");
      if (told.event.attempt_sha256 && !voided) {
        const AttemptEvidence* a = attempt(told.event.attempt_no);
        named.insert(told.event.attempt_no);
        const std::string row = key(std::to_string(told.event.attempt_no));
        if (!a || !a->has_start) found("attempt_missing", &told, "attempt_start", row);
        if (!a || !a->has_result) found("attempt_missing", &told, "attempt_result", row);
        if (a && a->has_start && (a->is_void || !a->has_epoch))
          found("attempt", &told, "attempt_start", row);
        else if (a && a->has_start && a->has_result && hash(*a) != *told.event.attempt_sha256)
          found("attempt", &told, "attempt_start, attempt_result", row);  // the leaf covers both together
      }
      if (voided) {
        const int no = static_cast<int>(*voided);
        const AttemptEvidence* a = attempt(no);
        named.insert(no);
        const std::string row = key(std::to_string(no));
        if (!a || !a->has_start)
          found("attempt_missing", &told, "attempt_start", row);
        else if (!a->is_void || a->has_epoch || !(a->provider + a->lane + a->route_reason).empty() ||
                 void_sha256(m_.id, no, a->instance, a->permitted_at) != told.event.attempt_sha256)
          found("attempt", &told, "attempt_start", row);
        if (a && a->has_result) found("attempt_unnamed", nullptr, "attempt_result", row);
      }
    }
    for (const auto& a : m_.attempts) {
      if (named.contains(a.attempt_no)) continue;
      const std::string row = key(std::to_string(a.attempt_no));
      if (a.has_result) found("attempt_unnamed", nullptr, "attempt_result", row);
      // A permit whose result is still to come has its due row; anything else would have been named.
      if (a.has_start && (a.is_void || a.has_result || !a.is_due))
        found("attempt_unnamed", nullptr, "attempt_start", row);
    }
  }
  const AttemptEvidence* attempt(int no) const {
    for (const auto& a : m_.attempts)
      if (a.attempt_no == no) return &a;
    return nullptr;
  }
  Digest hash(const AttemptEvidence& a) const {
    return attempt_sha256({m_.id, a.attempt_no, a.instance, a.provider, a.lane, a.route_reason, a.permitted_at,
                           name(static_cast<OutcomeKind>(a.outcome)), a.reason, a.provider_reference, a.provider_code,
                           a.status_code, a.parts, a.started_at.value_or(WallTime{}), a.finished_at});
  }

  void check_confirmations() {
    std::vector<bool> is_named(m_.confirmations.size(), false);
    for (const auto& told : told_) {
      if (!told.event.callback_sha256) continue;
      // By the ledger row's hash; else the confirmation of that moment, whose callback is not what the leaf says.
      const auto at = find(is_named, [&](const ConfirmationEvidence& c) {
        return c.callback && callback_hash(*c.callback) == *told.event.callback_sha256;
      });
      const auto by_time = at ? at : find(is_named, [&](const ConfirmationEvidence& c) {
        return c.row.at == told.event.at && c.row.took_effect;
      });
      if (!by_time) {
        found("confirmation_missing", &told, "confirmation", key("at/" + rfc3339(told.event.at)));
        continue;
      }
      is_named[*by_time] = true;
      const ConfirmationEvidence& c = m_.confirmations[*by_time];
      if (!at) found(c.callback ? "callback" : "callback_missing", &told, "callback", c.row.callback_id.text());
      const bool is_same = c.callback && c.row.took_effect && c.row.at == told.event.at &&
                           c.row.attempt_no == told.event.number("attempt").value_or(-1) &&
                           (!at || (c.row.kind == c.callback->kind && c.row.provider == c.callback->provider &&
                                    c.row.provider_code == c.callback->provider_code));
      if (!is_same) found("confirmation", &told, "confirmation", key(c.row.id.text()));
    }
    for (size_t i = 0; i < m_.confirmations.size(); i++)
      if (!is_named[i] && m_.confirmations[i].row.took_effect)
        found("confirmation_unnamed", nullptr, "confirmation", key(m_.confirmations[i].row.id.text()));
  }
  template <class Is>
  std::optional<size_t> find(const std::vector<bool>& is_taken, Is is) const {
    for (size_t i = 0; i < m_.confirmations.size(); i++)
      if (!is_taken[i] && is(m_.confirmations[i])) return i;
    return std::nullopt;
  }
  // What was decided about an attempt; empty: the event is no decision.
  static std::string decision_of(const EventProjection& e) {
    return e.action == "requeue" ? e.action : e.action == "resolve" ? e.word("decision") : "";
  }
  void check_decisions() {
    std::vector<bool> is_named(m_.decisions.size(), false);
    for (const auto& told : told_) {
      const std::string decision = decision_of(told.event);
      if (decision.empty()) continue;
      size_t i = 0;
      const auto no = told.event.number("attempt").value_or(0);
      while (i < m_.decisions.size() && (is_named[i] || m_.decisions[i].attempt_no != no ||
                                         (m_.decisions[i].at != told.event.at && m_.decisions[i].decision != decision)))
        i++;
      if (i == m_.decisions.size()) {
        found("decision_missing", &told, "decision", key("at/" + rfc3339(told.event.at)));
        continue;
      }
      is_named[i] = true;
      const auto& d = m_.decisions[i];
      if (d.decision != decision || d.at != told.event.at || d.actor != told.event.actor_id)
        found("decision", &told, "decision", key(d.id.text()));
    }
    for (size_t i = 0; i < m_.decisions.size(); i++)
      if (!is_named[i]) found("decision_unnamed", nullptr, "decision", key(m_.decisions[i].id.text()));
  }

  void open_key() {
    is_erased_ = is_purged_ && !m_.has_data_key && !m_.has_content;
    if (is_erased_) return;
    const Told* last = told_.empty() ? nullptr : &told_.back();
    if (!m_.is_there) return;  // told already
    if (!m_.has_content) found("content_missing", last, "content", m_.id.text());
    if (!m_.has_data_key) return found("key_missing", last, "data_key", m_.id.text());
    auto key = keys_.unwrap(m_.id.text(), m_.content.kek_id, m_.content.wrapped_key);
    if (!key) return found("key", last, "data_key", m_.id.text());
    data_key_ = std::move(*key);
  }
  bool has_key() const { return !data_key_.octets().empty(); }
  // None: it does not open, which is a finding.
  std::optional<std::string> open(const char* table, const Uuid& row, int version, const char* field,
                                  const std::string& sealed, const Told* told, const std::string& row_key) {
    auto plain = unseal(data_key_.octets(), seal_binding(table, row, version, field), sealed);
    if (plain) return std::move(*plain);
    found("sealed", told, table, row_key);
    return std::nullopt;
  }

  // The text that is there now is the one that the last event with a commitment is about.
  void check_content() {
    const Told* last = nullptr;
    for (const auto& told : told_)
      if (told.event.envelope_commit) last = &told;
    if (!has_key() || !m_.has_content) return;
    const std::string row = m_.id.text();
    if (!m_.content.details.empty()) (void)open("content", m_.id, 0, "details", m_.content.details, last, row);
    const auto packed = open("content", m_.id, m_.content.version, "sealed", m_.content.sealed, last, row);
    if (!packed) return;
    const auto unpacked = unpack(*packed);
    if (!unpacked || m_.content.version != m_.version) return found("content", last, "content", row);
    if (last && envelope_commit(unpacked->salt, unpacked->envelope) != *last->event.envelope_commit)
      found("content", last, "content", row);
    if (!m_.recipient_key.empty() &&
        view(recipient_key(keys_.index_key(), unpacked->envelope.recipient)) != m_.recipient_key)
      found("recipient_key", last, "message", row);
  }

  static bool is_decision(const EventProjection& e) {
    return e.action == "signed" || e.action == "reviewed" || (e.action == "queued" && !e.word("policyId").empty());
  }
  void check_approvals() {
    std::vector<bool> is_named(m_.approvals.size(), false);
    std::vector<const Told*> unmatched;
    auto match = [&](const Told& told, auto is) {
      for (size_t i = 0; i < m_.approvals.size(); i++)
        if (!is_named[i] && is(m_.approvals[i])) {
          is_named[i] = true;
          check_approval(told, m_.approvals[i]);
          return true;
        }
      return false;
    };
    for (const auto& told : told_) {
      if (!is_decision(told.event)) continue;
      const bool is_found = match(told, [&](const ApprovalRow& a) { return explain(told.event, a); });
      if (!is_found) unmatched.push_back(&told);
    }
    // A row that was changed stands for the event that no row fits.
    for (const Told* told : unmatched) {
      const bool is_found = match(*told, [&](const ApprovalRow& a) { return a.at == told->event.at; }) ||
                            match(*told, [](const ApprovalRow&) { return true; });
      if (!is_found) found("approval_missing", told, "approval", key("at/" + rfc3339(told->event.at)));
    }
    for (size_t i = 0; i < m_.approvals.size(); i++)
      if (!is_named[i]) found("approval_unnamed", nullptr, "approval", key(m_.approvals[i].id.text()));
  }
  static std::string signer_of(const EventProjection& e) {
    const std::string& signer = e.word("signerId");
    return signer.empty() ? e.actor_id : signer;
  }
  // Whether the row is just what the leaf says of it.
  static bool explain(const EventProjection& e, const ApprovalRow& a) {
    if (a.at != e.at || a.policy_id != e.word("policyId") || !e.envelope_commit ||
        a.envelope_commit != *e.envelope_commit)
      return false;
    if (e.action == "queued") return a.is_approved && a.mac.has_value() && a.key_id.empty() && a.dsse.empty();
    const bool is_approved = e.word("decision") != "rejected";
    const std::string algorithm =
        a.algorithm == 0 ? "" : std::string(name(static_cast<SignatureAlgorithm>(a.algorithm)));
    return a.is_approved == is_approved && a.version == e.number("version").value_or(-1) &&
           a.is_direct == e.is_set("direct") && a.signer_id.text() == signer_of(e) &&
           (e.word("signerId").empty() ? name(a.signer_role) == e.actor_role : true) && a.key_id == e.word("keyId") &&
           a.custody == e.word("custody") && a.meaning == e.word("meaning") && algorithm == e.word("algorithm") &&
           hex(a.diff_commit) == e.word("diffCommit") && hex(a.validation_sha256) == e.word("validationSha256") &&
           a.review_ms == e.number("reviewDurationMs") && a.mac.has_value() == (e.word("decision") == "approved") &&
           a.dsse.empty() == e.word("keyId").empty() && a.notes.empty() != e.is_set("hasNotes");
  }
  void check_approval(const Told& told, const ApprovalRow& a) {
    const std::string row = key(a.id.text());
    if (!explain(told.event, a)) return found("approval", &told, "approval", row);
    if (a.mac && *a.mac != approval_mac(keys_.mac_key(), m_.id, a.version, a.envelope_commit, a.policy_id))
      return found("approval_mac", &told, "approval", row);
    if (told.event.word("decision") == "approved") check_quorum(told, a);
    if (!has_key()) return;
    if (!a.notes.empty()) (void)open("approval", a.id, a.version, "notes", a.notes, &told, row);
    if (a.dsse.empty()) return;
    const auto dsse = open("approval", a.id, a.version, "dsse", a.dsse, &told, row);
    if (dsse && !is_signed(a, *dsse)) found("signature", &told, "approval", row);
  }
  // As many people signed this version as the event says, and as many as it says were needed.
  void check_quorum(const Told& told, const ApprovalRow& last) {
    std::set<Uuid> people;
    for (const auto& a : m_.approvals)
      if (a.is_approved && a.version == last.version && a.at <= last.at) people.insert(a.signer_id);
    const int64_t signatures = told.event.number("signatures").value_or(0);
    if (static_cast<int64_t>(people.size()) < signatures || signatures < told.event.number("required").value_or(1))
      found("quorum", &told, "approval", key(last.id.text()));
  }
  bool is_signed(const ApprovalRow& a, const std::string& dsse) const {
    const SigningKeyRow* owner = signers_.find(a.key_id);
    const VerifyKey* verify_key = signers_.verify_key(a.key_id);
    const auto envelope = DsseEnvelope::parse(dsse);
    if (!owner || !verify_key || !envelope || owner->user_id != a.signer_id || name(owner->custody) != a.custody ||
        static_cast<int>(owner->algorithm) != a.algorithm)
      return false;
    const auto opened = envelope->verify(kApprovalPayloadType, std::span(verify_key, 1));
    if (!opened) return false;
    const auto s = parse_statement(opened->payload);
    return s && owner->is_valid_at(s->at) && s->message_id == m_.id && s->version == a.version &&
           s->envelope_commit == a.envelope_commit && s->signer == a.signer_id && s->role == a.signer_role &&
           s->policy_id == a.policy_id && name(s->meaning) == a.meaning && s->decision == ReviewDecision::approved &&
           // What was signed elsewhere knows neither.
           (!s->diff_commit || s->diff_commit == a.diff_commit) &&
           (!s->validation_sha256 || s->validation_sha256 == a.validation_sha256);
  }

  void check_provenance() {
    std::vector<bool> is_named(m_.provenances.size(), false);
    for (const auto& told : told_) {
      if (!told.event.provenance_sha256) continue;
      auto find = [&](auto is) {
        size_t i = 0;
        while (i < m_.provenances.size() && (is_named[i] || !is(m_.provenances[i]))) i++;
        return i;
      };
      size_t i = find([&](const ProvenanceRow& p) { return p.sha256 == *told.event.provenance_sha256; });
      if (i == m_.provenances.size()) i = find([](const ProvenanceRow&) { return true; });
      if (i == m_.provenances.size()) {
        found("provenance_missing", &told, "provenance", key("at/" + rfc3339(told.event.at)));
        continue;
      }
      is_named[i] = true;
      const auto& p = m_.provenances[i];
      const std::string row = key(p.id.text());
      if (p.sha256 != *told.event.provenance_sha256 || p.version != told.event.number("version").value_or(-1) ||
          p.created_at != told.event.at) {
        found("provenance", &told, "provenance", row);
      } else if (has_key()) {
        const auto data = open("provenance", p.id, p.version, "data", p.sealed, &told, row);
        if (data && provenance_sha256(*data) != p.sha256) found("provenance", &told, "provenance", row);
      }
    }
    for (size_t i = 0; i < m_.provenances.size(); i++)
      if (!is_named[i]) found("provenance_unnamed", nullptr, "provenance", key(m_.provenances[i].id.text()));
  }

  void check_edits() {
    std::set<int> named;
    for (const auto& told : told_) {
      const auto version = told.event.number("version");
      if (told.event.action != "draft_edited" && !told.event.is_set("selfEdited")) continue;
      if (!version || !named.insert(static_cast<int>(*version)).second) continue;
      const std::string row = key(std::to_string(*version));
      const auto at =
          std::find_if(m_.edits.begin(), m_.edits.end(), [&](const EditRow& e) { return e.version == *version; });
      if (at == m_.edits.end())
        found("edit_missing", &told, "edit", row);
      else if (at->editor_id.text() != told.event.actor_id || at->at != told.event.at)
        found("edit", &told, "edit", row);
      else if (has_key())
        (void)open("edit", m_.id, at->version, "diff", at->sealed, &told, row);
    }
    for (const auto& e : m_.edits)
      if (!named.contains(e.version)) found("edit_unnamed", nullptr, "edit", key(std::to_string(e.version)));
  }

  const MessageEvidence& m_;
  const Keyring& keys_;
  const SignerKeys& signers_;
  std::vector<Told> told_;  // those of the chain, in its order
  bool is_purged_ = false, is_erased_ = false;
  Secret data_key_;
  Discrepancies out_;
};

}  // namespace

SignerKeys::SignerKeys(std::vector<SigningKeyRow> rows) {
  for (auto& row : rows) {
    std::optional<VerifyKey> key;
    if (auto read = VerifyKey::from_spki(row.public_key)) key.emplace(std::move(*read));
    const std::string id = row.key_id;
    keys_.emplace(id, std::pair(std::move(row), std::move(key)));
  }
}

const SigningKeyRow* SignerKeys::find(const std::string& key_id) const {
  const auto at = keys_.find(key_id);
  return at == keys_.end() ? nullptr : &at->second.first;
}

const VerifyKey* SignerKeys::verify_key(const std::string& key_id) const {
  const auto at = keys_.find(key_id);
  return at == keys_.end() || !at->second.second ? nullptr : &*at->second.second;
}

MessageVerdict check_message(const MessageEvidence& message, const Keyring& keys, const SignerKeys& signers) {
  return Check(message, keys, signers).run();
}

}  // namespace signet
