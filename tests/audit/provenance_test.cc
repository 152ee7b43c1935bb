#include "audit/provenance.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "audit/dsse.h"
#include "base/bytes.h"
#include "base/canonical_json.h"
#include "message/statement.h"

namespace signet {
namespace {

using Json = nlohmann::json;
using Catch::Matchers::Contains;

constexpr WallTime kAt{1'766'312'999'000'000};  // 2025-12-21T10:29:59Z

Provenance full() {
  Provenance p;
  p.letter_id = "0190a000-0000-7000-8000-00000000000c";
  p.generated_at = {kAt.us - 600'000'000};
  p.approved_at = kAt;
  p.primary_model = "model-a";
  p.critic_model = "model-b";
  p.input_tokens = 4200;
  p.output_tokens = 911;
  p.generation_duration_ms = 8250;
  p.source_files = {{"rec-1", "recording", "Consultation.m4a", {kAt.us - 900'000'000}},
                    {"doc-1", "document", "Écho.pdf", {kAt.us - 900'000'000}}};
  p.extracted_values = {{"val-1", "LVEF", "55", "%", true, kAt, "u-1"},
                        {"val-2", "LAD stenosis", "mild", "", false, {}, ""}};
  p.hallucination_checks = {{"flag-1", "no chest pain", "critical", "not in a source", true, "heard at 03:12"},
                            {"flag-2", "since Monday", "minor", "not in a source", false, ""}};
  p.reviewing_physician = {"u-1", "Dr Ada Quinn", "ada@example.org"};
  p.review_duration_ms = 180'000;
  p.edits = {{"modification", 14, "45 %", "55 %", kAt}, {"deletion", 40, " twice", {}, kAt}};
  p.content_diff = {"Your LVEF is 45 % twice.", "Your LVEF is 55 %.", 12.5};
  p.verification_rate = 50;
  p.hallucination_risk_score = 0.25;
  p.generation_parameters = R"({"temperature":0.1,"seed":7})";
  DsseEnvelope dsse(std::string(kApprovalPayloadType), "{}");
  dsse.add_signature({"k", "signature"});
  p.approvals = {{"u-1", "doctor", kAt, "I approve this letter", "ed25519", "server", "0123456789abcdef",
                  std::string(64, 'a'), dsse.json()}};
  p.nonce = std::string(32, 'n');
  return p;
}

std::string written(const Provenance& p) { return canonical(p).value(); }

std::set<std::string> names(const Json& object) {
  std::set<std::string> out;
  for (const auto& [name, value] : object.items()) out.insert(name);
  return out;
}

}  // namespace

// The interface ProvenanceData of the origin document, member by member.
TEST_CASE("a record has the members of ProvenanceData, and three more") {
  const Json json = Json::parse(written(full()));
  CHECK(names(json) == std::set<std::string>{"letterId",
                                             "generatedAt",
                                             "approvedAt",
                                             "primaryModel",
                                             "criticModel",
                                             "inputTokens",
                                             "outputTokens",
                                             "generationDurationMs",
                                             "sourceFiles",
                                             "extractedValues",
                                             "hallucinationChecks",
                                             "reviewingPhysician",
                                             "reviewDurationMs",
                                             "edits",
                                             "contentDiff",
                                             "verificationRate",
                                             "hallucinationRiskScore",
                                             "generation",
                                             "approvals",
                                             "nonce"});
  CHECK(names(json["sourceFiles"][0]) == std::set<std::string>{"id", "type", "name", "createdAt"});
  CHECK(names(json["extractedValues"][0]) ==
        std::set<std::string>{"id", "name", "value", "unit", "verified", "verifiedAt", "verifiedBy"});
  CHECK(names(json["extractedValues"][1]) == std::set<std::string>{"id", "name", "value", "verified"});
  CHECK(names(json["hallucinationChecks"][0]) ==
        std::set<std::string>{"id", "flaggedText", "severity", "reason", "dismissed", "dismissedReason"});
  CHECK(names(json["hallucinationChecks"][1]) ==
        std::set<std::string>{"id", "flaggedText", "severity", "reason", "dismissed"});
  CHECK(names(json["reviewingPhysician"]) == std::set<std::string>{"id", "name", "email"});
  CHECK(names(json["edits"][0]) == std::set<std::string>{"type", "index", "originalText", "newText", "timestamp"});
  CHECK(names(json["edits"][1]) == std::set<std::string>{"type", "index", "originalText", "timestamp"});
  CHECK(names(json["contentDiff"]) == std::set<std::string>{"original", "final", "percentChanged"});
  CHECK(names(json["generation"]) == std::set<std::string>{"parameters"});
  CHECK(names(json["approvals"][0]) == std::set<std::string>{"signerId", "role", "at", "meaning", "algorithm",
                                                             "custody", "keyId", "envelopeCommit", "dsse"});
  CHECK(json["approvals"][0]["dsse"].is_object());
  CHECK(json["criticModel"] == "model-b");
  CHECK(json["approvedAt"] == "2025-12-21T10:29:59.000000Z");
  Provenance without = full();
  without.critic_model.reset();
  without.generation_parameters.clear();
  const Json bare = Json::parse(written(without));
  CHECK(bare["criticModel"].is_null());
  CHECK(bare["generation"] == Json::object());
}

TEST_CASE("a record is in canonical form, and its numbers are those of ECMAScript") {
  Provenance p = full();
  p.content_diff.percent_changed = 1.0 / 3;
  p.verification_rate = 100;
  p.hallucination_risk_score = 1e-7;
  const std::string canon = written(p);
  CHECK(canonicalize(canon).value() == canon);
  CHECK_THAT(canon, Contains("\"percentChanged\":0.3333333333333333"));
  CHECK_THAT(canon, Contains("\"verificationRate\":100,") || Contains("\"verificationRate\":100}"));
  CHECK_THAT(canon, Contains("\"hallucinationRiskScore\":1e-7"));
  CHECK_THAT(canon, Contains("\"parameters\":{\"seed\":7,\"temperature\":0.1}"));
}

TEST_CASE("what was written reads back to the byte") {
  Provenance bare;
  bare.nonce = std::string(32, 'n');
  for (const auto& p : {full(), bare}) {
    const std::string canon = written(p);
    const auto read = parse_provenance(canon);
    REQUIRE(read.ok());
    CHECK(written(*read) == canon);
  }
  const auto read = parse_provenance(written(full()));
  CHECK(read->edits[0].new_text == "55 %");
  CHECK_FALSE(read->edits[1].new_text);
  CHECK(read->extracted_values[0].verified_at == kAt);
  CHECK(read->approvals[0].dsse == full().approvals[0].dsse);
}

TEST_CASE("each change of a record changes its hash") {
  const Digest before = provenance_sha256(written(full()));
  CHECK(before == sha256(written(full())));
  std::vector<Provenance> others(12, full());
  others[0].letter_id += "x";
  others[1].approved_at.us++;
  others[2].critic_model.reset();
  others[3].output_tokens++;
  others[4].source_files.pop_back();
  others[5].extracted_values[0].is_verified = false;
  others[6].hallucination_checks[0].dismissed_reason = "x";
  others[7].edits[0].index++;
  others[8].content_diff.final += " ";
  others[9].verification_rate += 1e-9;
  others[10].approvals[0].meaning = "x";
  others[11].nonce[31]++;
  for (const auto& other : others) CHECK(provenance_sha256(written(other)) != before);
}

TEST_CASE("what cannot be written is refused without quoting it") {
  std::vector<Provenance> bad(6, full());
  bad[0].nonce.pop_back();
  bad[1].content_diff.final = "Margarete \xff";
  bad[2].content_diff.percent_changed = std::nan("");
  bad[3].verification_rate = INFINITY;
  bad[4].generation_parameters = "{Margarete";
  bad[5].approvals[0].dsse = R"({"a":1,"a":2})";
  for (const auto& p : bad) {
    const auto done = canonical(p);
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == ErrorCode::invalid);
    CHECK_THAT(done.error().text, !Contains("Marg"));
  }
}

TEST_CASE("a record with a member missing, unknown or of another type is refused by name") {
  const Json good = Json::parse(written(full()));
  for (const auto& [name, value] : good.items()) {
    Json missing = good, other = good;
    missing.erase(name);
    other[name] = value.is_boolean() ? Json(1) : Json(true);
    for (const Json& bad : {missing, other}) {
      const auto read = parse_provenance(bad.dump());
      REQUIRE_FALSE(read.ok());
      CHECK_THAT(read.error().text, Contains(name));
    }
  }
  Json unknown = good;
  unknown["extractedValues"][0]["colour"] = "blue";
  CHECK_THAT(parse_provenance(unknown.dump()).error().text, Contains("extractedValues.colour is not known"));
  Json fraction = good;
  fraction["edits"][0]["index"] = 1.5;
  CHECK_THAT(parse_provenance(fraction.dump()).error().text, Contains("edits.index"));
  Json time = good;
  time["edits"][0]["timestamp"] = "yesterday";
  CHECK_THAT(parse_provenance(time.dump()).error().text, Contains("edits.timestamp"));
  for (const char* bad : {"", "[]", "null", "{}", "{"}) CHECK_FALSE(parse_provenance(bad).ok());
}

TEST_CASE("the report has its sections in order and ends with hash and verdict") {
  const Provenance p = full();
  const Digest hash = provenance_sha256(written(p));
  const std::string report = text_report(p, hash, true);
  size_t at = 0;
  for (const char* section : {"PROVENANCE REPORT",
                              p.letter_id.c_str(),
                              "AI MODELS",
                              "model-a",
                              "model-b",
                              "SOURCE FILES (2)",
                              "Écho.pdf",
                              "EXTRACTED CLINICAL VALUES (2)",
                              "LVEF: 55 %",
                              "LAD stenosis: mild",
                              "HALLUCINATION CHECKS (2)",
                              "[critical] \"no chest pain\"",
                              "heard at 03:12",
                              "REVIEW",
                              "Dr Ada Quinn",
                              "180 s",
                              "EDITS (2)",
                              "modification at 14",
                              "CONTENT",
                              "12.5 %",
                              "Your LVEF is 45 % twice.",
                              "Your LVEF is 55 %.",
                              "QUALITY",
                              "50 %",
                              "0.3",
                              "GENERATION PARAMETERS",
                              "temperature",
                              "APPROVALS (1)",
                              "u-1 (doctor)",
                              "the server",
                              "INTEGRITY",
                              "SHA-256:"}) {
    INFO(section);
    const size_t found = report.find(section, at);
    REQUIRE(found != std::string::npos);
    at = found;
  }
  CHECK(report.ends_with("SHA-256:\n  " + to_hex(view(hash)) + "\nVerdict:              VERIFIED\n"));
  CHECK(text_report(p, hash, false).ends_with("Verdict:              NOT VERIFIED\n"));
}

TEST_CASE("the report keeps to 80 columns, whatever it holds") {
  Provenance p = full();
  p.source_files[0].name = std::string(300, 'n');
  p.reviewing_physician.name = "Dr " + std::string(90, 'x') + " of somewhere far away with many words in a long row";
  p.content_diff.final.clear();
  for (int i = 0; i < 200; i++) p.content_diff.final += "é" + std::string(static_cast<size_t>(i % 17), 'w') + " ";
  p.content_diff.final += "\n\n  indented\nlast";
  std::istringstream lines(text_report(p, {}, true));
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    size_t width = 0;
    for (const char c : line) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
    CHECK(width <= 80);
    CHECK(is_utf8(line));
    CHECK_FALSE(line.ends_with(' '));
  }
}

TEST_CASE("no word of the letter is lost in the report") {
  Provenance p = full();
  p.content_diff.final.clear();
  for (int i = 0; i < 500; i++) p.content_diff.final += "word" + std::to_string(i) + (i % 50 == 49 ? "\n" : " ");
  const std::string report = text_report(p, {}, true);
  size_t at = 0;
  for (int i = 0; i < 500; i++) {
    at = report.find("word" + std::to_string(i), at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("control characters cannot forge a verdict on a terminal") {
  Provenance p = full();
  p.content_diff.final = "a\x1b[2Jb\rVerdict: VERIFIED\x07\xc2\x9b\xe2\x80\xae";
  const std::string report = text_report(p, {}, false);
  for (const char* bad : {"\x1b", "\r", "\x07", "\xc2\x9b", "\xe2\x80\xae"})
    CHECK(report.find(bad) == std::string::npos);
  CHECK_THAT(report, Contains("  | Verdict: VERIFIED"));  // within its block
  CHECK(is_utf8(report));
}

}  // namespace signet
