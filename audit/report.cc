#include "audit/report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/check.h"

namespace signet {
namespace {

using Json = nlohmann::json;

Json time_or_null(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }

Json counts(const std::vector<Counted>& list) {
  Json out = Json::array();
  for (const auto& one : list) out.push_back({{"name", one.name}, {"count", one.count}});
  return out;
}

template <class Word>
Json messages_by(const Figures& f, Word word) {
  std::map<std::string, int64_t> sums;
  for (const auto& m : f.messages) sums[std::string(word(m))] += m.count;
  Json out = Json::array();
  for (const auto& [name, count] : sums) out.push_back({{"name", name}, {"count", count}});
  return out;
}

Json durations(const Durations& d) {
  return {{"count", d.count}, {"p50Ms", d.p50_ms}, {"p95Ms", d.p95_ms}, {"maxMs", d.max_ms}};
}

Json percent(int64_t part, int64_t whole) {  // one decimal; null of nothing
  if (whole == 0) return nullptr;
  return std::round(1000.0 * static_cast<double>(part) / static_cast<double>(whole)) / 10;
}

Json end_json(const CheckpointFigures& end) {
  return {{"size", end.size},
          {"root", end.root.empty() ? Json(nullptr) : Json(to_base64(end.root))},
          {"at", time_or_null(end.at)},
          {"note", end.note.empty() ? Json(nullptr) : Json(end.note)}};
}

int64_t sum_of(const std::vector<Counted>& list) {
  int64_t sum = 0;
  for (const auto& one : list) sum += one.count;
  return sum;
}

int64_t with_status(const Figures& f, Status status) {
  int64_t sum = 0;
  for (const auto& m : f.messages)
    if (m.status == status) sum += m.count;
  return sum;
}

int64_t drafted(const Figures& f) {
  int64_t sum = 0;
  for (const auto& m : f.messages) sum += m.count;
  return sum;
}

int64_t unproven(const Figures& f) {
  int64_t sum = 0;
  for (const auto& m : f.messages)
    if (m.status == Status::failed && !m.is_proven) sum += m.count;
  return sum;
}

// "3 log-ins, 1 refused": parts that name their number.
std::string said(std::initializer_list<std::pair<int64_t, std::string_view>> parts) {
  std::string out;
  for (const auto& [number, what] : parts)
    out += (out.empty() ? "" : ", ") + std::to_string(number) + ' ' + std::string(what);
  return out + '.';
}

std::string log_said(const Figures& f, const ReportSource& s) {
  return "Log size " + std::to_string(f.log.from.size) + " to " + std::to_string(f.log.to.size) +
         ", consistency: " + std::string(name(s.consistency)) + "; " +
         said({{f.log.faults_open, "open faults"}, {f.log.faults_in_period, "found in the period"}});
}

// 45 CFR 164.312: what the daemon does about each line, and what of the period shows it. No claim about the law.
Json controls(const Figures& f, const ReportSource& s) {
  const auto& r = f.reviews;
  const std::string guards = f.log.has_guards ? "Guards against changes of the schema are in place."
                                              : "This database has no event triggers against changes of the schema.";
  Json out = Json::array();
  auto line = [&out](const char* rule, const char* title, const char* kind, const char* measure, std::string evidence) {
    out.push_back({{"rule", rule}, {"title", title}, {"kind", kind}, {"measure", measure}, {"evidence", evidence}});
  };
  line("(a)(1)", "Access control", "standard", "Each request is held against one table of roles and rights.",
       said({{f.of("refused"), "actions refused and recorded"}, {f.of("role_changed"), "changes of role"}}));
  line("(a)(2)(i)", "Unique user identification", "required",
       "People and services act under an id of their own, which each entry of the log names.",
       said({{static_cast<int64_t>(f.people.size()), "people and services drafted or decided"},
             {f.of("user_created"), "users added"}}));
  line("(a)(2)(ii)", "Emergency access procedure", "required",
       "Break-glass: with a reason, for a limited time, alarmed, and reviewed by another person.",
       said({{f.of("break_glass_opened"), "opened"},
             {f.of("break_glass_reviewed"), "reviewed"},
             {f.access.break_glass_unreviewed, "of the period not reviewed yet"}}));
  line("(a)(2)(iii)", "Automatic logoff", "addressable",
       "Sessions end after 15 minutes without use and after 12 hours.",
       said({{f.of("login"), "sessions begun"},
             {f.of("logout"), "ended by their users"},
             {f.of("session_revoked"), "revoked"}}));
  line("(a)(2)(iv)", "Encryption and decryption", "addressable",
       "Content is sealed by AES-256-GCM under a key for each message, which is wrapped by a key outside the database.",
       said({{drafted(f), "messages sealed"}, {f.of("purged"), "erased under the retention policy"}}));
  line("(b)", "Audit controls", "standard", "Each action, read and refusal is an entry of an append-only log.",
       said({{f.log.entries, "entries"},
             {f.of("audit_read") + f.of("audit_searched"), "examinations of the log"},
             {f.of("export"), "exports"}}));
  line("(c)(1)", "Integrity", "standard",
       "Evidence stands in tables that take inserts only, under a Merkle log with signed checkpoints and outside "
       "anchors.",
       log_said(f, s) + ' ' + guards);
  line("(c)(2)", "Mechanism to authenticate", "addressable",
       "Approvals are signed over the exact content and recipient; what does not verify is not sent.",
       said({{r.own_keys, "signatures by people's own keys"}, {r.server_keys, "by keys in custody"}}));
  line(
      "(d)", "Person or entity authentication", "standard",
      "Passwords (Argon2id) with growing delays and lock-out, tokens, and renewed proof before a key in custody signs.",
      said({{f.of("login"), "log-ins"},
            {f.of("login_refused"), "refused"},
            {f.of("lockout"), "lock-outs"},
            {f.of("step_up"), "renewed proofs"}}));
  line("(e)(1)", "Transmission security", "standard",
       "Providers are reached as the configuration says, by TLS or SMTP.",
       said({{static_cast<int64_t>(f.delivery.providers.size()), "providers used"}}));
  line("(e)(2)(i)", "Integrity controls", "addressable",
       "Before the first byte the sender recomputes what was approved; callbacks count only if their signature "
       "verifies.",
       said({{f.of("sent"), "messages sent"}, {f.of("callback_refused"), "callbacks refused"}}));
  line("(e)(2)(ii)", "Encryption", "addressable",
       "Certificates of servers are verified; the API speaks TLS where configured.",
       "See the configuration in force; the log holds its changes.");
  return out;
}

Json governance(const Figures& f, const ReportSource& s) {
  int64_t tokens = 0, generated = 0;
  for (const auto& model : f.models) {
    tokens += model.tokens;
    generated += model.messages;
  }
  const auto& r = f.reviews;
  Json out = Json::array();
  auto line = [&out](const char* topic, const char* measure, std::string evidence) {
    out.push_back({{"topic", topic}, {"measure", measure}, {"evidence", evidence}});
  };
  line("Audit trail", "Every step from draft to receipt is an entry, chained for each message.",
       said({{f.log.entries, "entries"}, {f.of("sent"), "messages sent"}, {f.of("delivery_confirmed"), "confirmed"}}));
  line("Source attribution", "Each approval writes a provenance record: sources, values with who verified them, edits.",
       said({{r.approved, "provenance records"}, {r.values_verified, "values verified"}}));
  line("AI transparency",
       "Model, tokens, risk score and flags of a generated draft are kept and shown to its reviewer.",
       said({{generated, "drafts name their model"},
             {static_cast<int64_t>(f.models.size()), "models"},
             {tokens, "tokens"},
             {r.flags_dismissed, "flags dismissed"}}));
  line("Clinical governance", "People decide; nobody reviews his own; high risk takes two of whom one is a doctor.",
       said({{r.approved, "approved"},
             {r.rejected, "rejected"},
             {r.self_reviews_blocked, "reviews of one's own refused"},
             {r.multi_signature, "approved by several"},
             {r.quorum_lowered, "at high risk approved by one, as this site allows"}}));
  line("Integrity", "The log is verified continuously and anchored outside of the database.", log_said(f, s));
  return out;
}

Json exceptions(const Figures& f, const ReportSource& s) {
  Json out = Json::array();
  auto add = [&out](const char* what, int64_t count, const char* where) {
    if (count > 0) out.push_back({{"what", what}, {"count", count}, {"where", where}});
  };
  add("The log's checkpoints of both ends are not consistent", s.consistency == Consistency::failed ? 1 : 0, "Log");
  add("Faults in the evidence that are open", f.log.faults_open, "Log");
  add("Guards against changes of the schema are missing: a managed database", f.log.has_guards ? 0 : 1, "Log");
  add("No full verification of the log on record", f.log.verified_at ? 0 : 1, "Log");
  add("No anchor outside of the database", f.log.anchors.empty() ? 1 : 0, "Log");
  add("High risk approved by one person, as this site allows", f.reviews.quorum_lowered, "Approvals");
  add("Approved in spite of warnings", f.reviews.with_warnings, "Approvals");
  add("Approvals that dismissed a flag without a reason", f.reviews.dismissed_without_reason, "Approvals");
  add("Reviews of one's own message, refused", f.reviews.self_reviews_blocked, "Approvals");
  add("Messages still in doubt", with_status(f, Status::in_doubt), "Messages");
  add("Failed without a provider's word", unproven(f), "Messages");
  add("Uses of break-glass that nobody has reviewed", f.access.break_glass_unreviewed, "Access");
  add("Exports with content", f.access.exports_with_content, "Access");
  add("Lock-outs", f.of("lockout"), "Access");
  add("Callbacks whose signature did not verify", f.of("callback_refused"), "Delivery");
  add("Alerts raised", f.of("alert_raised"), "Access");
  return out;
}

Json log_json(const Figures& f, const ReportSource& s) {
  Json anchors = Json::array(), actions = Json::array();
  for (const auto& a : f.log.anchors)
    anchors.push_back(
        {{"kind", a.kind}, {"count", a.count}, {"newestSize", a.newest_size}, {"newestAt", rfc3339(a.newest_at)}});
  for (const auto& [action, count] : f.actions) actions.push_back({{"name", action}, {"count", count}});
  return {{"name", s.log_name},
          {"from", end_json(f.log.from)},
          {"to", end_json(f.log.to)},
          {"consistency", name(s.consistency)},
          {"proofHashes", s.proof_hashes},
          {"entries", f.log.entries},
          {"fullVerification", {{"at", time_or_null(f.log.verified_at)}, {"size", f.log.verified_size}}},
          {"faultsOpen", f.log.faults_open},
          {"faultsInPeriod", f.log.faults_in_period},
          {"schemaGuards", f.log.has_guards},
          {"anchors", anchors},
          {"actions", actions}};
}

Json approvals_json(const Figures& f, const ReportSource& s) {
  const auto& r = f.reviews;
  return {{"approved", r.approved},
          {"rejected", r.rejected},
          {"sentDirectly", r.direct},
          {"timeToReview", durations(r.time_to_review)},
          {"selfReviewsBlocked", r.self_reviews_blocked},
          {"directByRole", counts(r.direct_by_role)},
          {"multiSignature", r.multi_signature},
          {"firstSignatures", r.signatures},
          {"quorum", s.quorum},
          {"quorumLowered", r.quorum_lowered},
          {"highRisk", r.high_risk},
          {"selfEdited", r.self_edited},
          {"ownKeys", r.own_keys},
          {"serverKeys", r.server_keys},
          {"withWarnings", r.with_warnings},
          {"warnings", counts(r.warnings)},
          {"valuesVerified", r.values_verified},
          {"flagsDismissed", r.flags_dismissed},
          {"dismissedWithoutReason", r.dismissed_without_reason}};
}

Json ai_json(const Figures& f) {
  Json models = Json::array();
  int64_t tokens = 0, messages = 0;
  for (const auto& m : f.models) {
    models.push_back({{"name", m.name}, {"messages", m.messages}, {"tokens", m.tokens}});
    tokens += m.tokens;
    messages += m.messages;
  }
  return {{"models", models}, {"messages", messages}, {"tokens", tokens}};
}

Json delivery_json(const Figures& f) {
  const auto& d = f.delivery;
  Json providers = Json::array();
  for (const auto& p : d.providers)
    providers.push_back({{"name", p.name},
                         {"accepted", p.accepted},
                         {"failed", p.failed},
                         {"inDoubt", p.in_doubt},
                         {"delivered", p.delivered},
                         {"successPercent", percent(p.accepted, p.accepted + p.failed)}});
  return {{"sent", f.of("sent")},
          {"confirmed", f.of("delivery_confirmed")},
          {"failedForGood", d.failed_for_good},
          {"inDoubt", f.of("delivery_in_doubt")},
          {"suppressed", f.of("suppressed")},
          {"expired", f.of("expired")},
          {"cancelled", f.of("cancelled")},
          {"successPercent", percent(f.of("sent"), f.of("sent") + d.failed_for_good)},
          {"retries", d.retries},
          {"providers", providers},
          {"failureReasons", counts(d.failure_reasons)},
          {"optOuts", d.opt_outs},
          {"timeToHonourOptOut", durations(d.opt_out)}};
}

Json people_json(const Figures& f) {
  Json out = Json::array();
  for (const auto& p : f.people)
    out.push_back({{"id", p.id.text()},
                   {"name", p.name},
                   {"role", p.role},
                   {"drafted", p.drafted},
                   {"approved", p.approved},
                   {"rejected", p.rejected},
                   {"firstSignatures", p.signed_as_one},
                   {"timeToReviewP50Ms", p.review_p50_ms},
                   {"reviewDurationMeanMs", p.review_mean_ms}});
  return out;
}

Json access_json(const Figures& f) {
  return {{"logIns", f.of("login")},
          {"logInsRefused", f.of("login_refused")},
          {"lockOuts", f.of("lockout")},
          {"sessionsRevoked", f.of("session_revoked")},
          {"usersCreated", f.of("user_created")},
          {"usersChanged", f.of("user_changed")},
          {"roleChanges", f.of("role_changed")},
          {"tokensCreated", f.of("token_created")},
          {"tokensRevoked", f.of("token_revoked")},
          {"keysEnrolled", f.of("key_enrolled")},
          {"keysRotated", f.of("key_rotated")},
          {"keysRevoked", f.of("key_revoked")},
          {"breakGlassOpened", f.of("break_glass_opened")},
          {"breakGlassReviewed", f.of("break_glass_reviewed")},
          {"breakGlassUnreviewed", f.access.break_glass_unreviewed},
          {"refused", f.of("refused")},
          {"contentReads", f.of("content_read")},
          {"auditReads", f.of("audit_read") + f.of("audit_searched")},
          {"exports", sum_of(f.access.exports)},
          {"exportsByFormat", counts(f.access.exports)},
          {"exportsWithContent", f.access.exports_with_content}};
}

}  // namespace

std::string_view name(Consistency consistency) {
  switch (consistency) {
    case Consistency::verified:
      return "verified";
    case Consistency::empty:
      return "no checkpoint at the beginning";
    case Consistency::unchanged:
      return "the same checkpoint at both ends";
    case Consistency::failed:
      return "FAILED";
  }
  return "unknown";
}

std::string report_json(const Figures& f, const ReportSource& s) {
  Json signatures = Json::array();
  for (const char* role : {"Prepared by", "Reviewed by", "Accepted by"})
    signatures.push_back({{"role", role}, {"name", ""}, {"date", ""}, {"signature", ""}});
  const Json report{
      {"v", 1},
      {"type", "signet-compliance-report"},
      {"generator", {{"version", s.version}, {"instance", s.instance}}},
      {"period",
       {{"from", rfc3339(f.from)}, {"to", rfc3339(f.to)}, {"madeAt", rfc3339(s.made_at)}, {"madeFor", s.made_for}}},
      {"log", log_json(f, s)},
      {"controls", controls(f, s)},
      {"governance", governance(f, s)},
      {"messages",
       {{"drafted", drafted(f)},
        {"byStatus", messages_by(f, [](const auto& m) { return name(m.status); })},
        {"byChannel", messages_by(f, [](const auto& m) { return name(m.kind); })},
        {"byPriority", messages_by(f, [](const auto& m) { return name(m.priority); })}}},
      {"approvals", approvals_json(f, s)},
      {"ai", ai_json(f)},
      {"delivery", delivery_json(f)},
      {"people", people_json(f)},
      {"access", access_json(f)},
      {"retention",
       {{"years", s.retention_years},
        {"purged", f.of("purged")},
        {"legalHoldsSet", f.of("legal_hold_set")},
        {"legalHoldsEnded", f.of("legal_hold_ended")},
        {"changes", f.of("retention_changed")}}},
      {"exceptions", exceptions(f, s)},
      {"signOff", signatures}};
  auto canonical = canonicalize(report.dump(-1, ' ', false, Json::error_handler_t::replace));
  SIGNET_CHECK(canonical.ok());
  return std::move(*canonical);
}

}  // namespace signet
