#include "message/quorum.h"

#include <algorithm>

#include "message/policy.h"

namespace signet {
namespace {

bool brings(Role role, Role needed) { return role == needed || (needed == Role::reviewer && role == Role::doctor); }

// Those of `before` that count: this version, not lapsed, each person once.
std::vector<Signature> counting(const QuorumFacts& facts, const std::vector<Signature>& before,
                                const HighRiskPolicy& policy) {
  std::vector<Signature> out;
  for (const auto& signature : before) {
    const bool is_lapsed = facts.now.us - signature.at.us >= policy.lapse_ms * 1000;
    const bool is_repeated =
        std::any_of(out.begin(), out.end(), [&](const Signature& s) { return s.signer == signature.signer; });
    if (signature.version == facts.version && !is_lapsed && !is_repeated) out.push_back(signature);
  }
  return out;
}

}  // namespace

QuorumState quorum(const QuorumFacts& facts, const std::vector<Signature>& before, const HighRiskPolicy& policy) {
  QuorumState state;
  state.required = facts.is_high_risk ? std::max(1, policy.quorum) : 1;
  const auto signatures = counting(facts, before, policy);
  state.signatures = static_cast<int>(signatures.size());
  const auto refuse = [&state](std::string reason, std::string text) {
    state.reason = std::move(reason);
    state.text = std::move(text);
    return state;
  };

  const bool is_letter = facts.kind == Kind::letter;
  const auto is_its_doctor = [&](const Uuid& person, Role role) {
    return is_named(person, role, facts.physician_id, facts.delegates);
  };
  const bool is_its_doctor_now = is_letter && is_its_doctor(facts.signer, facts.role);
  const bool has_its_doctor = std::any_of(signatures.begin(), signatures.end(),
                                          [&](const Signature& s) { return is_its_doctor(s.signer, s.role); });
  if (is_letter && !is_its_doctor_now && !(facts.is_high_risk && has_its_doctor))
    return refuse("NOT_THE_PHYSICIAN", "Cannot approve another user's letter");
  if (!is_its_doctor_now) {
    const Action action = signatures.empty() ? Action::review : Action::second_signature;
    if (grant(facts.role, action) != Grant::yes)
      return refuse("ROLE", "Your role may not review: a reviewer or a doctor has to.");
    if (facts.signer == facts.author_id || facts.signer == facts.last_editor_id)
      return refuse("SELF_REVIEW", "You wrote or last edited this message: somebody else has to review it.");
  }
  if (std::any_of(signatures.begin(), signatures.end(), [&](const Signature& s) { return s.signer == facts.signer; }))
    return refuse("ALREADY_SIGNED", "You have signed this version already: another person has to sign it.");

  const bool is_last = state.signatures + 1 >= state.required;
  const bool is_role_there = brings(facts.role, policy.needs_role) ||
                             std::any_of(signatures.begin(), signatures.end(),
                                         [&](const Signature& s) { return brings(s.role, policy.needs_role); });
  if (facts.is_high_risk && is_last && !is_role_there)
    return refuse("DOCTOR_NEEDED", "One of those who sign a high-risk message has to be a " +
                                       std::string(name(policy.needs_role)) + ", and nobody was yet.");
  state.signatures += 1;
  state.next = is_last ? QuorumNext::complete : QuorumNext::more_needed;
  return state;
}

}  // namespace signet
