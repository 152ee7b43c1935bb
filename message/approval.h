// What stands in the way of approving a message, what is only warned of, and whether it is of high risk (design:
// product, "Approval"). Pure; the caller has the facts and records the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "message/clinical.h"
#include "message/message.h"

namespace signet {

// `approval.high_risk` of the configuration. Each of the reasons besides riskLevel is a switch.
struct HighRiskPolicy {
  int quorum = 2;                                  // people; at least 1
  Role needs_role = Role::doctor;                  // of one of them; a doctor stands for a reviewer too
  int64_t lapse_ms = 24LL * 3600 * 1000;           // a signature counts for so long
  std::optional<double> score_above = 70;          // hallucinationRiskScore, 0 to 100
  std::optional<double> verification_below = 0.8;  // a fraction, 0 to 1
  bool dismissed_critical = true;                  // a dismissed critical flag
  std::vector<std::string> purposes;
};

struct ApprovalFacts {
  Status status = Status::pending;
  Kind kind = Kind::sms;
  DeliveryMethod method = DeliveryMethod::sms;
  RiskLevel risk = RiskLevel::normal;
  Uuid author_id, last_editor_id, reviewer_id;
  bool is_direct = false;  // send-directly: separation of duties does not bind, high risk may not
  bool has_content = false, has_recipient = false, is_suppressed = false, has_route = true, is_expired = false;

  Role reviewer_role = Role::reviewer;
  Uuid physician_id;            // of a letter; nil: none
  std::vector<Uuid> delegates;  // of that physician
  // As they stand once the call's verifiedValueIds and dismissedFlagIds are applied.
  std::vector<ClinicalValue> values;
  std::vector<HallucinationFlag> flags;
  size_t unknown_values = 0, unknown_flags = 0;  // ids that the call names and the message does not have
  std::optional<double> risk_score;              // generation.hallucinationRiskScore
  std::string purpose;
  size_t clinical_changes = 0;  // between draft and final text: TextDiff::clinical_changes
  bool is_duplicate = false;    // the same text went to the same recipient within duplicate_window_h
  int duplicate_window_h = 24;
};

struct Finding {
  std::string code;           // SELF_REVIEW, NOT_REVIEWABLE, ...: stands in the problem body
  std::string text;           // what to do; may name clinical values: for callers entitled to the content, never logged
  bool is_forbidden = false;  // 403 rather than 400
  int64_t count = 0;          // of the values, flags or changes concerned; 0 where nothing is counted
};
using Obstacle = Finding;

struct Validation {
  std::vector<Finding> errors;    // block
  std::vector<Finding> warnings;  // are recorded with the decision
  bool is_high_risk = false;
  // RISK_LEVEL, DISMISSED_CRITICAL_FLAG, HIGH_RISK_SCORE, LOW_VERIFICATION_RATE, PURPOSE
  std::vector<std::string> high_risk_reasons;
  double verification_rate = 100;  // percent
};

Validation validate(const ApprovalFacts& facts, const HighRiskPolicy& policy);
// The errors alone, under the policy as it comes.
std::vector<Obstacle> obstacles(const ApprovalFacts& facts);

// RFC 8785 form of {errors[], highRisk, highRiskReasons[], verificationRate, warnings[]}: codes and numbers only, so
// that its hash may stand where no content may. A finding is {code, count}.
std::string canonical(const Validation& validation);
Digest validation_sha256(const Validation& validation);  // over that form

// Whether somebody may approve this letter as its physician or for him: the physician or a named delegate, who has the
// role doctor.
bool is_named(const Uuid& person, Role role, const Uuid& physician_id, const std::vector<Uuid>& delegates);

// How a letter's status reads (design: product, "Approval"): DRAFT, IN_REVIEW, APPROVED; CANCELLED for a cancelled
// one, of which it is not known here whether it ever was approved.
std::string_view letter_status(Status status);

}  // namespace signet
