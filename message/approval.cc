#include "message/approval.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/canonical_json.h"

namespace signet {
namespace {

constexpr double kRateRecommended = 80, kScoreRecommended = 70;  // both from origin/

// "1 critical clinical value", "2 critical clinical values"
std::string counted(int64_t count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

// 65.04 -> "65.0". Never rounded up: a rate below 80 does not read as 80.
std::string one_decimal(double percent) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.1f", std::floor(percent * 10 + 1e-9) / 10);
  return text;
}

class Findings {
 public:
  Findings(const ApprovalFacts& facts, const HighRiskPolicy& policy) : f_(facts), policy_(policy) {}

  Validation run() {
    out_.verification_rate = verification_rate(f_.values);
    rate_risk();
    check_status();
    check_person();
    check_delivery();
    check_clinical();
    warn();
    return std::move(out_);
  }

 private:
  void error(std::string code, std::string text, bool is_forbidden = false, int64_t count = 0) {
    out_.errors.push_back({std::move(code), std::move(text), is_forbidden, count});
  }
  void warning(std::string code, std::string text, int64_t count = 0) {
    out_.warnings.push_back({std::move(code), std::move(text), false, count});
  }
  template <class Is>
  int64_t flags(Is is) const {
    return std::count_if(f_.flags.begin(), f_.flags.end(), is);
  }

  void rate_risk() {
    auto& reasons = out_.high_risk_reasons;
    if (f_.risk == RiskLevel::high) reasons.emplace_back("RISK_LEVEL");
    const auto dismissed = flags([](const auto& f) { return f.severity == Severity::critical && f.is_dismissed; });
    if (policy_.dismissed_critical && dismissed > 0) reasons.emplace_back("DISMISSED_CRITICAL_FLAG");
    if (policy_.score_above && f_.risk_score && *f_.risk_score > *policy_.score_above)
      reasons.emplace_back("HIGH_RISK_SCORE");
    if (policy_.verification_below && out_.verification_rate < *policy_.verification_below * 100)
      reasons.emplace_back("LOW_VERIFICATION_RATE");
    const auto& purposes = policy_.purposes;
    if (!f_.purpose.empty() && std::find(purposes.begin(), purposes.end(), f_.purpose) != purposes.end())
      reasons.emplace_back("PURPOSE");
    out_.is_high_risk = !reasons.empty();
  }

  void check_status() {
    const bool is_letter = f_.kind == Kind::letter;
    const bool is_draft = f_.status == Status::pending || f_.status == Status::rejected;
    if (f_.status == Status::pending_review || (is_draft && (f_.is_direct || is_letter))) return;
    if (is_letter)
      error("NOT_REVIEWABLE", "Letter is not in a reviewable state: " + std::string(letter_status(f_.status)));
    else
      error("NOT_REVIEWABLE",
            "The message is " + std::string(name(f_.status)) +
                (f_.is_direct ? "; only a draft can be sent directly." : "; submit it for review first."));
  }

  void check_person() {
    const bool is_exempt = f_.is_direct || (f_.kind == Kind::letter &&
                                            is_named(f_.reviewer_id, f_.reviewer_role, f_.physician_id, f_.delegates));
    if (!is_exempt && (f_.reviewer_id == f_.author_id || f_.reviewer_id == f_.last_editor_id))
      error("SELF_REVIEW", "You wrote or last edited this message: somebody else has to review it.", true);
    if (f_.is_direct && out_.is_high_risk)
      error("HIGH_RISK", "A high-risk message cannot be sent directly: submit it for review.");
  }

  void check_delivery() {
    if (!f_.has_content) error("CONTENT_EMPTY", "The message has no text: write contentDraft.");
    if (f_.method == DeliveryMethod::none) return;
    if (!f_.has_recipient)
      error("RECIPIENT_MISSING", "Give recipientPhone for an SMS or recipientEmail for an e-mail.");
    if (f_.is_suppressed)
      error("RECIPIENT_SUPPRESSED",
            "The recipient opted out, or is suppressed for a bounce or by a person; nothing is sent there.");
    if (!f_.has_route) error("NO_ROUTE", "No route is configured for this kind of message: add one under `routes`.");
    if (f_.is_expired) error("EXPIRED", "expiresAt has passed: the message would be useless now.");
  }

  void check_clinical() {
    int64_t open = 0;
    std::string names;
    for (const auto& value : f_.values) {
      if (!value.is_critical || value.is_verified) continue;
      ++open;
      names += (names.empty() ? "" : ", ") + value.name;
    }
    if (open > 0)
      error("CRITICAL_VALUES_UNVERIFIED", counted(open, "critical clinical value") + " not verified: " + names, false,
            open);
    const auto critical = flags([](const auto& f) { return f.severity == Severity::critical && !f.is_dismissed; });
    if (critical > 0)
      error("CRITICAL_FLAGS_OPEN", counted(critical, "critical hallucination flag") + " not dismissed", false,
            critical);
    if (f_.unknown_values > 0)
      error("UNKNOWN_VALUE", "verifiedValueIds names a clinical value that this message does not have.", false,
            static_cast<int64_t>(f_.unknown_values));
    if (f_.unknown_flags > 0)
      error("UNKNOWN_FLAG", "dismissedFlagIds or dismissedReasons names a flag that this message does not have.", false,
            static_cast<int64_t>(f_.unknown_flags));
  }

  void warn() {
    const auto open = flags([](const auto& f) { return f.severity != Severity::critical && !f.is_dismissed; });
    if (open > 0)
      warning("FLAGS_OPEN", counted(open, "non-critical hallucination flag") + (open == 1 ? " remains" : " remain"),
              open);
    if (out_.verification_rate < kRateRecommended)
      warning("LOW_VERIFICATION_RATE",
              "Low verification rate: " + one_decimal(out_.verification_rate) + "% (recommended: >80%)");
    if (f_.risk_score && *f_.risk_score > kScoreRecommended)
      warning("HIGH_RISK_SCORE",
              "High hallucination risk score: " + canonical_number(*f_.risk_score) + " (recommended: <=70)");
    const auto changes = static_cast<int64_t>(f_.clinical_changes);
    if (changes > 0)
      warning(
          "CLINICAL_CHANGE",
          "A number, unit, drug or negation was changed between draft and final (" + counted(changes, "change") + ")",
          changes);
    const auto silent = flags([](const auto& f) { return f.is_dismissed && f.dismissed_reason.empty(); });
    if (silent > 0)
      warning("DISMISSED_WITHOUT_REASON", counted(silent, "flag") + " dismissed without a reason", silent);
    if (f_.is_duplicate)
      warning("DUPLICATE_TEXT",
              "The same text was sent to the same recipient within the last " + counted(f_.duplicate_window_h, "hour"));
  }

  const ApprovalFacts& f_;
  const HighRiskPolicy& policy_;
  Validation out_;
};

void append_findings(std::string& to, const std::vector<Finding>& findings) {
  to += '[';
  for (size_t i = 0; i < findings.size(); ++i) {
    to += i == 0 ? "{\"code\":" : ",{\"code\":";
    append_json_string(to, findings[i].code);
    to += ",\"count\":" + std::to_string(findings[i].count) + '}';
  }
  to += ']';
}

}  // namespace

Validation validate(const ApprovalFacts& facts, const HighRiskPolicy& policy) { return Findings(facts, policy).run(); }

std::vector<Obstacle> obstacles(const ApprovalFacts& facts) { return validate(facts, {}).errors; }

std::string canonical(const Validation& validation) {
  std::string out = "{\"errors\":";
  append_findings(out, validation.errors);
  out += validation.is_high_risk ? ",\"highRisk\":true" : ",\"highRisk\":false";
  out += ",\"highRiskReasons\":[";
  for (size_t i = 0; i < validation.high_risk_reasons.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, validation.high_risk_reasons[i]);
  }
  out += "],\"verificationRate\":" + canonical_number(validation.verification_rate) + ",\"warnings\":";
  append_findings(out, validation.warnings);
  out += '}';
  return out;
}

Digest validation_sha256(const Validation& validation) { return sha256(canonical(validation)); }

bool is_named(const Uuid& person, Role role, const Uuid& physician_id, const std::vector<Uuid>& delegates) {
  if (role != Role::doctor || physician_id.is_nil() || person.is_nil()) return false;
  return person == physician_id || std::find(delegates.begin(), delegates.end(), person) != delegates.end();
}

std::string_view letter_status(Status status) {
  switch (status) {
    case Status::pending:
    case Status::rejected:
      return "DRAFT";
    case Status::pending_review:
      return "IN_REVIEW";
    case Status::cancelled:
      return "CANCELLED";
    case Status::approved:
    case Status::queued:
    case Status::sent:
    case Status::delivered:
    case Status::failed:
    case Status::in_doubt:
    case Status::suppressed:
      return "APPROVED";
  }
  return "unknown";
}

}  // namespace signet
