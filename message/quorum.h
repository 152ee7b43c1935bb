// How many people it takes, and who (design: product, "Roles" and "Approval"). Pure; the caller records the answer.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "message/approval.h"
#include "message/message.h"

namespace signet {

struct Signature {  // an approval given before, in any order
  Uuid signer;
  Role role = Role::reviewer;  // as it was when he signed
  WallTime at;
  int version = 0;  // of the content that he signed
};

struct QuorumFacts {
  Kind kind = Kind::sms;
  int version = 0;  // of the content now: an edit voids the signatures before it
  bool is_high_risk = false;
  Uuid author_id, last_editor_id;
  Uuid physician_id;            // of a letter; nil: none
  std::vector<Uuid> delegates;  // of that physician
  Uuid signer;                  // who wants to sign now
  Role role = Role::reviewer;   // his
  WallTime now;
};

enum class QuorumNext { complete, more_needed, refused };  // refused: always 403

struct QuorumState {
  QuorumNext next = QuorumNext::refused;
  // Of a refusal: ROLE, NOT_THE_PHYSICIAN, SELF_REVIEW, ALREADY_SIGNED, DOCTOR_NEEDED; with what to do.
  std::string reason, text;
  int signatures = 0;  // that count, with this one unless it is refused
  int required = 1;
};

// Normal risk takes one person. High risk takes policy.quorum different people over this version, none of them its
// author or last editor, none of whose signatures lapsed, one of whom has policy.needs_role. A letter takes its
// physician or named delegate first, and only on high risk somebody else after that: a reviewer or another doctor.
QuorumState quorum(const QuorumFacts& facts, const std::vector<Signature>& before, const HighRiskPolicy& policy);

}  // namespace signet
