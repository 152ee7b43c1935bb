#include <algorithm>
#include <cmath>

#include "audit/provenance.h"
#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kLabel = 22;  // columns before a value

// Code points stand for columns: exact for Latin text, too many at most for combining marks.
size_t columns(std::string_view utf8) {
  size_t count = 0;
  for (const char c : utf8)
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) count++;
  return count;
}

// A control character could move a terminal's cursor over the verdict: each is shown as U+FFFD. Bidirectional overrides
// could turn a line around, and are shown likewise.
std::string printable(std::string_view text) {
  static constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::string_view two = text.substr(i, 2), three = text.substr(i, 3);
    const bool is_c1 = two.size() == 2 && c == 0xc2 && static_cast<unsigned char>(two[1]) < 0xa0;
    const bool is_turning =
        (three >= "\xe2\x80\xaa" && three <= "\xe2\x80\xae") || (three >= "\xe2\x81\xa6" && three <= "\xe2\x81\xa9");
    if (c == '\t') {
      out += ' ';
    } else if (c == '\r') {
      if (text.substr(i + 1, 1) != "\n") out += '\n';
    } else if ((c < 0x20 && c != '\n') || c == 0x7f) {
      out += kReplacement;
    } else if (is_c1 || is_turning) {
      out += kReplacement;
      i += is_c1 ? 1 : 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The longest beginning of `text` of at most `width` columns that does not cut a code point.
std::string_view beginning(std::string_view text, size_t width) {
  size_t at = 0;
  for (size_t count = 0; at < text.size(); count++) {
    size_t next = at + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0) == 0x80) next++;
    if (count == width) break;
    at = next;
  }
  return text.substr(0, at);
}

class Report {
 public:
  void line(std::string_view text = "") { out_.append(text) += '\n'; }
  void section(std::string_view title) {
    line();
    line(title);
    line(std::string(columns(title), '-'));
  }
  void field(std::string_view label, std::string_view value, size_t indent = 0) {
    std::string first(indent, ' ');
    first.append(label) += ':';
    first.resize(std::max(first.size() + 1, indent + kLabel), ' ');
    wrap(first, std::string(indent + kLabel, ' '), value);
  }
  void block(std::string_view text) { wrap("  | ", "  | ", text); }
  // Breaks at spaces, else within a word; a line break of the text stays one.
  void wrap(std::string lead, const std::string& next_lead, std::string_view value) {
    const std::string text = printable(value);
    std::string_view rest = text;
    do {
      std::string_view paragraph = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), paragraph.size() + 1));
      do {
        const size_t width = kColumns - columns(lead);
        std::string_view part = beginning(paragraph, width);
        if (part.size() < paragraph.size()) {
          const size_t space = paragraph[part.size()] == ' ' ? part.size() : part.rfind(' ');
          if (space != std::string_view::npos && space > 0) part = part.substr(0, space);
        }
        paragraph.remove_prefix(part.size());
        while (paragraph.starts_with(' ')) paragraph.remove_prefix(1);
        std::string whole = lead;
        whole += part;
        whole.erase(whole.find_last_not_of(' ') + 1);
        line(whole);
        lead = next_lead;
      } while (!paragraph.empty());
    } while (!rest.empty());
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string number(double value) { return canonical_number(std::round(value * 10) / 10); }
std::string seconds(int64_t ms) { return number(static_cast<double>(ms) / 1000) + " s"; }
std::string_view yes_no(bool value) { return value ? "yes" : "no"; }

void add_sources(Report& report, const Provenance& p) {
  report.section("SOURCE FILES (" + std::to_string(p.source_files.size()) + ")");
  if (p.source_files.empty()) report.line("none");
  for (const auto& source : p.source_files) {
    report.wrap("* ", "  ", source.name);
    report.field("id", source.id, 2);
    report.field("type", source.type, 2);
    report.field("created", rfc3339(source.created_at), 2);
  }
}

void add_values(Report& report, const Provenance& p) {
  report.section("EXTRACTED CLINICAL VALUES (" + std::to_string(p.extracted_values.size()) + ")");
  if (p.extracted_values.empty()) report.line("none");
  for (const auto& value : p.extracted_values) {
    report.wrap("* ", "  ", value.name + ": " + value.value + (value.unit.empty() ? "" : " " + value.unit));
    report.field("id", value.id, 2);
    report.field("verified", yes_no(value.is_verified), 2);
    if (value.verified_at) report.field("verified at", rfc3339(*value.verified_at), 2);
    if (!value.verified_by.empty()) report.field("verified by", value.verified_by, 2);
  }
}

void add_checks(Report& report, const Provenance& p) {
  report.section("HALLUCINATION CHECKS (" + std::to_string(p.hallucination_checks.size()) + ")");
  if (p.hallucination_checks.empty()) report.line("none");
  for (const auto& check : p.hallucination_checks) {
    report.wrap("* ", "  ", "[" + check.severity + "] \"" + check.flagged_text + "\"");
    report.field("id", check.id, 2);
    report.field("reason", check.reason, 2);
    report.field("dismissed", yes_no(check.is_dismissed), 2);
    if (!check.dismissed_reason.empty()) report.field("dismissed because", check.dismissed_reason, 2);
  }
}

void add_changes(Report& report, const Provenance& p) {
  report.section("EDITS (" + std::to_string(p.edits.size()) + ")");
  if (p.edits.empty()) report.line("none");
  for (const auto& edit : p.edits) {
    report.wrap("* ", "  ", edit.type + " at " + std::to_string(edit.index) + ", " + rfc3339(edit.timestamp));
    if (edit.original_text) report.field("before", *edit.original_text, 2);
    if (edit.new_text) report.field("after", *edit.new_text, 2);
  }
  report.section("CONTENT");
  report.field("Changed", number(p.content_diff.percent_changed) + " %");
  report.line("Draft:");
  report.block(p.content_diff.original);
  report.line("Final:");
  report.block(p.content_diff.final);
}

void add_approvals(Report& report, const Provenance& p) {
  report.section("APPROVALS (" + std::to_string(p.approvals.size()) + ")");
  if (p.approvals.empty()) report.line("none");
  for (const auto& approval : p.approvals) {
    report.wrap("* ", "  ", approval.signer_id + " (" + approval.role + ")");
    report.field("at", rfc3339(approval.at), 2);
    report.field("meaning", approval.meaning, 2);
    report.field("signature", approval.algorithm + ", key " + approval.key_id, 2);
    report.field("key held by", approval.custody == "server" ? "the server" : "the signer", 2);
    report.line("  covers the envelope:");
    report.wrap("    ", "    ", approval.envelope_commit);
  }
}

}  // namespace

std::string text_report(const Provenance& p, const Digest& sha256, bool is_verified) {
  Report report;
  report.line("PROVENANCE REPORT");
  report.line(std::string(kColumns, '='));
  report.field("Letter", p.letter_id);
  report.field("Generated", rfc3339(p.generated_at));
  report.field("Approved", rfc3339(p.approved_at));
  report.section("AI MODELS");
  report.field("Primary model", p.primary_model);
  report.field("Critic model", p.critic_model.value_or("none"));
  report.field("Input tokens", std::to_string(p.input_tokens));
  report.field("Output tokens", std::to_string(p.output_tokens));
  report.field("Generation took", seconds(p.generation_duration_ms));
  add_sources(report, p);
  add_values(report, p);
  add_checks(report, p);
  report.section("REVIEW");
  report.field("Physician", p.reviewing_physician.name);
  report.field("Id", p.reviewing_physician.id);
  report.field("E-mail", p.reviewing_physician.email);
  report.field("Review took", seconds(p.review_duration_ms));
  add_changes(report, p);
  report.section("QUALITY");
  report.field("Verification rate", number(p.verification_rate) + " %");
  report.field("Hallucination risk", number(p.hallucination_risk_score));
  report.section("GENERATION PARAMETERS");
  if (p.generation_parameters.empty())
    report.line("none");
  else
    report.block(p.generation_parameters);
  add_approvals(report, p);
  report.section("INTEGRITY");
  report.line("SHA-256:");
  report.line("  " + to_hex(view(sha256)));
  report.field("Verdict", is_verified ? "VERIFIED" : "NOT VERIFIED");
  return report.take();
}

}  // namespace signet
