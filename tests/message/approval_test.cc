#include "message/approval.h"

#include <catch2/catch.hpp>
#include <functional>

#include "base/canonical_json.h"

namespace signet {
namespace {

Uuid person(int number) {
  Uuid id;
  id.bytes[15] = static_cast<uint8_t>(number);
  return id;
}

ApprovalFacts good() {
  ApprovalFacts f;
  f.status = Status::pending_review;
  f.author_id = person(1);
  f.last_editor_id = person(1);
  f.reviewer_id = person(2);
  f.has_content = f.has_recipient = true;
  return f;
}

std::vector<std::string> codes(const ApprovalFacts& facts) {
  std::vector<std::string> out;
  for (const auto& obstacle : obstacles(facts)) {
    CHECK_FALSE(obstacle.text.empty());
    CHECK(obstacle.is_forbidden == (obstacle.code == "SELF_REVIEW"));
    out.push_back(obstacle.code);
  }
  return out;
}

using Codes = std::vector<std::string>;

TEST_CASE("nothing stands in the way of a good draft") { CHECK(codes(good()).empty()); }

TEST_CASE("each obstacle is named") {
  struct Row {
    std::function<void(ApprovalFacts&)> change;
    std::string code;
  };
  const Row rows[] = {
      {[](auto& f) {
         f.reviewer_id = f.author_id;
         f.last_editor_id = person(3);
       },
       "SELF_REVIEW"},
      {[](auto& f) { f.last_editor_id = f.reviewer_id; }, "SELF_REVIEW"},
      {[](auto& f) { f.has_content = false; }, "CONTENT_EMPTY"},
      {[](auto& f) { f.has_recipient = false; }, "RECIPIENT_MISSING"},
      {[](auto& f) { f.is_suppressed = true; }, "RECIPIENT_SUPPRESSED"},
      {[](auto& f) { f.has_route = false; }, "NO_ROUTE"},
      {[](auto& f) { f.is_expired = true; }, "EXPIRED"},
      {[](auto& f) {
         f.is_direct = true;
         f.risk = RiskLevel::high;
       },
       "HIGH_RISK"},
  };
  for (const auto& row : rows) {
    auto facts = good();
    row.change(facts);
    CHECK(codes(facts) == Codes{row.code});
  }
}

TEST_CASE("only what waits for review is reviewed; a draft may be sent directly") {
  for (int number = 1; number <= 11; ++number) {
    auto facts = good();
    facts.status = static_cast<Status>(number);
    INFO(name(facts.status));
    CHECK(codes(facts).empty() == (facts.status == Status::pending_review));
    facts.is_direct = true;
    const bool is_draft =
        facts.status == Status::pending || facts.status == Status::rejected || facts.status == Status::pending_review;
    CHECK(codes(facts).empty() == is_draft);
  }
}

TEST_CASE("one's own message may be sent directly, not reviewed") {
  auto facts = good();
  facts.reviewer_id = facts.author_id;
  CHECK(codes(facts) == Codes{"SELF_REVIEW"});
  facts.is_direct = true;
  CHECK(codes(facts).empty());
}

TEST_CASE("what is only filed needs no recipient and no route, but a text") {
  auto facts = good();
  facts.method = DeliveryMethod::none;
  facts.has_recipient = facts.has_route = false;
  facts.is_suppressed = facts.is_expired = true;
  CHECK(codes(facts).empty());
  facts.has_content = false;
  CHECK(codes(facts) == Codes{"CONTENT_EMPTY"});
}

TEST_CASE("all obstacles are told at once") {
  ApprovalFacts facts;
  facts.status = Status::sent;
  facts.has_route = false;
  CHECK(codes(facts) == Codes{"NOT_REVIEWABLE", "SELF_REVIEW", "CONTENT_EMPTY", "RECIPIENT_MISSING", "NO_ROUTE"});
}

ClinicalValue value(const std::string& name, bool is_critical, bool is_verified) {
  ClinicalValue v;
  v.id = v.name = name;
  v.is_critical = is_critical;
  v.is_verified = is_verified;
  return v;
}

HallucinationFlag flag(Severity severity, bool is_dismissed, const std::string& reason = "checked") {
  HallucinationFlag f;
  f.severity = severity;
  f.is_dismissed = is_dismissed;
  if (is_dismissed) f.dismissed_reason = reason;
  return f;
}

// The first of them verified.
std::vector<ClinicalValue> values(int verified, int all) {
  std::vector<ClinicalValue> out;
  for (int i = 0; i < all; ++i) out.push_back(value("value " + std::to_string(i), false, i < verified));
  return out;
}

using Lines = std::vector<std::string>;

Lines lines(const std::vector<Finding>& findings) {
  Lines out;
  for (const auto& finding : findings) out.push_back(finding.code + ": " + finding.text);
  return out;
}

struct Case {
  std::function<void(ApprovalFacts&)> change;
  Lines errors, warnings, reasons;
};

TEST_CASE("errors, warnings and high risk are told in the origin's words") {
  const Case cases[] = {
      {[](auto&) {}, {}, {}, {}},
      {[](auto& f) {
         f.values = {value("LVEF", true, false), value("EF", true, true), value("LAD stenosis", true, false)};
         for (const auto& v : values(17, 17)) f.values.push_back(v);
       },
       {"CRITICAL_VALUES_UNVERIFIED: 2 critical clinical values not verified: LVEF, LAD stenosis"},
       {},
       {}},
      {[](auto& f) {
         f.values = values(19, 19);
         f.values.push_back(value("X", true, false));
       },
       {"CRITICAL_VALUES_UNVERIFIED: 1 critical clinical value not verified: X"},
       {},
       {}},
      {[](auto& f) { f.flags = {flag(Severity::critical, false)}; },
       {"CRITICAL_FLAGS_OPEN: 1 critical hallucination flag not dismissed"},
       {},
       {}},
      {[](auto& f) {
         f.flags = {flag(Severity::critical, false), flag(Severity::critical, false)};
       },
       {"CRITICAL_FLAGS_OPEN: 2 critical hallucination flags not dismissed"},
       {},
       {}},
      {[](auto& f) { f.unknown_values = 1; },
       {"UNKNOWN_VALUE: verifiedValueIds names a clinical value that this message does not have."},
       {},
       {}},
      {[](auto& f) { f.unknown_flags = 2; },
       {"UNKNOWN_FLAG: dismissedFlagIds or dismissedReasons names a flag that this message does not have."},
       {},
       {}},
      {[](auto& f) { f.flags = {flag(Severity::critical, true)}; }, {}, {}, {"DISMISSED_CRITICAL_FLAG"}},
      {[](auto& f) {
         f.flags = {flag(Severity::major, false), flag(Severity::minor, false), flag(Severity::minor, false)};
       },
       {},
       {"FLAGS_OPEN: 3 non-critical hallucination flags remain"},
       {}},
      {[](auto& f) { f.flags = {flag(Severity::major, false)}; },
       {},
       {"FLAGS_OPEN: 1 non-critical hallucination flag remains"},
       {}},
      {[](auto& f) { f.values = values(13, 20); },
       {},
       {"LOW_VERIFICATION_RATE: Low verification rate: 65.0% (recommended: >80%)"},
       {"LOW_VERIFICATION_RATE"}},
      {[](auto& f) { f.values = values(7999, 10000); },  // 79.99 does not read as 80
       {},
       {"LOW_VERIFICATION_RATE: Low verification rate: 79.9% (recommended: >80%)"},
       {"LOW_VERIFICATION_RATE"}},
      {[](auto& f) { f.values = values(4, 5); }, {}, {}, {}},
      {[](auto& f) { f.risk_score = 85; },
       {},
       {"HIGH_RISK_SCORE: High hallucination risk score: 85 (recommended: <=70)"},
       {"HIGH_RISK_SCORE"}},
      {[](auto& f) { f.risk_score = 70; }, {}, {}, {}},
      {[](auto& f) { f.clinical_changes = 1; },
       {},
       {"CLINICAL_CHANGE: A number, unit, drug or negation was changed between draft and final (1 change)"},
       {}},
      {[](auto& f) { f.clinical_changes = 4; },
       {},
       {"CLINICAL_CHANGE: A number, unit, drug or negation was changed between draft and final (4 changes)"},
       {}},
      {[](auto& f) { f.flags = {flag(Severity::minor, true, "")}; },
       {},
       {"DISMISSED_WITHOUT_REASON: 1 flag dismissed without a reason"},
       {}},
      {[](auto& f) {
         f.flags = {flag(Severity::minor, true, ""), flag(Severity::minor, true, ""), flag(Severity::minor, true)};
       },
       {},
       {"DISMISSED_WITHOUT_REASON: 2 flags dismissed without a reason"},
       {}},
      {[](auto& f) { f.is_duplicate = true; },
       {},
       {"DUPLICATE_TEXT: The same text was sent to the same recipient within the last 24 hours"},
       {}},
      {[](auto& f) { f.risk = RiskLevel::high; }, {}, {}, {"RISK_LEVEL"}},
      {[](auto& f) { f.purpose = "recall"; }, {}, {}, {"PURPOSE"}},
      {[](auto& f) { f.purpose = "reminder"; }, {}, {}, {}},
      {[](auto& f) {
         f.risk = RiskLevel::high;
         f.is_direct = true;
       },
       {"HIGH_RISK: A high-risk message cannot be sent directly: submit it for review."},
       {},
       {"RISK_LEVEL"}},
      {[](auto& f) {
         f.flags = {flag(Severity::critical, true)};
         f.is_direct = true;
       },
       {"HIGH_RISK: A high-risk message cannot be sent directly: submit it for review."},
       {},
       {"DISMISSED_CRITICAL_FLAG"}},
  };
  HighRiskPolicy policy;
  policy.purposes = {"recall"};
  for (const auto& c : cases) {
    auto facts = good();
    c.change(facts);
    const auto validation = validate(facts, policy);
    CHECK(lines(validation.errors) == c.errors);
    CHECK(lines(validation.warnings) == c.warnings);
    CHECK(validation.high_risk_reasons == c.reasons);
    CHECK(validation.is_high_risk == !c.reasons.empty());
    CHECK(validation.verification_rate == verification_rate(facts.values));
  }
}

TEST_CASE("each reason for high risk but the level is a switch") {
  auto facts = good();
  facts.flags = {flag(Severity::critical, true)};
  facts.values = values(1, 2);
  facts.risk_score = 90;
  facts.purpose = "recall";
  HighRiskPolicy off;
  off.score_above = off.verification_below = std::nullopt;
  off.dismissed_critical = false;
  CHECK_FALSE(validate(facts, off).is_high_risk);
  CHECK(validate(facts, off).warnings.size() == 2);  // warned of all the same
  facts.risk = RiskLevel::high;
  CHECK(validate(facts, off).is_high_risk);
  facts.risk = RiskLevel::normal;
  HighRiskPolicy strict = off;
  strict.score_above = 90;
  CHECK_FALSE(validate(facts, strict).is_high_risk);
  strict.score_above = 89.5;
  CHECK(validate(facts, strict).is_high_risk);
  strict = off;
  strict.verification_below = 0.5;
  CHECK_FALSE(validate(facts, strict).is_high_risk);
  strict.verification_below = 0.51;
  CHECK(validate(facts, strict).is_high_risk);
}

ApprovalFacts good_letter() {
  auto f = good();
  f.kind = Kind::letter;
  f.method = DeliveryMethod::email;
  f.physician_id = person(2);
  f.delegates = {person(4)};
  f.reviewer_role = Role::doctor;
  return f;
}

TEST_CASE("a letter is approved as a draft or in review, and says its state otherwise") {
  const std::pair<Status, std::string> rows[] = {{Status::pending, ""},           {Status::pending_review, ""},
                                                 {Status::rejected, ""},          {Status::approved, "APPROVED"},
                                                 {Status::queued, "APPROVED"},    {Status::sent, "APPROVED"},
                                                 {Status::failed, "APPROVED"},    {Status::delivered, "APPROVED"},
                                                 {Status::in_doubt, "APPROVED"},  {Status::suppressed, "APPROVED"},
                                                 {Status::cancelled, "CANCELLED"}};
  for (const auto& [status, state] : rows) {
    auto facts = good_letter();
    facts.status = status;
    const Lines expected =
        state.empty() ? Lines{} : Lines{"NOT_REVIEWABLE: Letter is not in a reviewable state: " + state};
    CHECK(lines(validate(facts, {}).errors) == expected);
  }
}

TEST_CASE("a letter's physician or delegate may have written it, another doctor may not") {
  for (const int number : {1, 2, 3, 4}) {
    auto facts = good_letter();
    facts.reviewer_id = facts.author_id = facts.last_editor_id = person(number);
    const bool is_named_doctor = number == 2 || number == 4;
    CHECK(codes(facts) == (is_named_doctor ? Codes{} : Codes{"SELF_REVIEW"}));
    facts.reviewer_role = Role::reviewer;  // no doctor: no exception
    CHECK(codes(facts) == Codes{"SELF_REVIEW"});
    facts.reviewer_role = Role::doctor;
    facts.kind = Kind::email;
    CHECK(codes(facts) == Codes{"SELF_REVIEW"});
  }
  CHECK_FALSE(is_named(Uuid{}, Role::doctor, Uuid{}, {}));
  CHECK_FALSE(is_named(person(1), Role::doctor, Uuid{}, {person(1)}));
}

TEST_CASE("the canonical form of a validation has codes and numbers, and no words of the message") {
  auto facts = good();
  CHECK(canonical(validate(facts, {})) ==
        R"({"errors":[],"highRisk":false,"highRiskReasons":[],"verificationRate":100,"warnings":[]})");
  facts.values = {value("LVEF of Ann", true, false), value("b", false, false), value("c", false, true)};
  facts.flags = {flag(Severity::minor, false)};
  facts.risk_score = 85.5;
  const std::string text = canonical(validate(facts, {}));
  CHECK(text ==
        R"({"errors":[{"code":"CRITICAL_VALUES_UNVERIFIED","count":1}],"highRisk":true,)"
        R"("highRiskReasons":["HIGH_RISK_SCORE","LOW_VERIFICATION_RATE"],"verificationRate":33.333333333333336,)"
        R"("warnings":[{"code":"FLAGS_OPEN","count":1},{"code":"LOW_VERIFICATION_RATE","count":0},)"
        R"({"code":"HIGH_RISK_SCORE","count":0}]})");
  CHECK(*canonicalize(text) == text);
  CHECK(validation_sha256(validate(facts, {})) == sha256(text));
}

TEST_CASE("the words of clinical fields are read back as what they name") {
  for (const auto type : {ValueType::measurement, ValueType::diagnosis, ValueType::medication})
    CHECK(parse_value_type(name(type)) == type);
  for (const auto severity : {Severity::critical, Severity::major, Severity::minor})
    CHECK(parse_severity(name(severity)) == severity);
  for (const auto type : {SourceType::recording, SourceType::document}) CHECK(parse_source_type(name(type)) == type);
  CHECK_FALSE(parse_severity("Critical").has_value());
  CHECK(verification_rate({}) == 100);
  CHECK(verification_rate(values(13, 20)) == 65);
}

}  // namespace
}  // namespace signet
