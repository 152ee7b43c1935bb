// What stands behind an approved letter or message: sources, models, checks, review, changes, signatures. The members
// are those of ProvenanceData in the product's origin, in its order, plus `generation.parameters`, `approvals` and
// `nonce`. It is about a patient: stored sealed, never logged. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/result.h"

namespace signet {

struct ProvenanceSource {
  std::string id;
  std::string type;  // "recording" or "document"
  std::string name;
  WallTime created_at;
};

struct ProvenanceValue {
  std::string id, name, value, unit;  // unit: empty for none
  bool is_verified = false;
  std::optional<WallTime> verified_at;
  std::string verified_by;  // empty for none
};

struct ProvenanceCheck {  // a passage flagged as perhaps invented
  std::string id, flagged_text, severity, reason;
  bool is_dismissed = false;
  std::string dismissed_reason;  // empty for none
};

struct ProvenanceEdit {
  std::string type;  // "addition", "deletion" or "modification"
  int64_t index = 0;
  std::optional<std::string> original_text, new_text;
  WallTime timestamp;
};

struct ProvenanceApproval {
  std::string signer_id, role;
  WallTime at;
  std::string meaning;    // what the signer says by signing
  std::string algorithm;  // name(SignatureAlgorithm)
  std::string custody;    // "own" or "server"
  std::string key_id;
  std::string envelope_commit;  // 64 hexadecimal digits
  std::string dsse;             // the signer's DSSE envelope as JSON
};

struct Provenance {
  std::string letter_id;
  WallTime generated_at, approved_at;

  std::string primary_model;
  std::optional<std::string> critic_model;
  int64_t input_tokens = 0, output_tokens = 0, generation_duration_ms = 0;

  std::vector<ProvenanceSource> source_files;
  std::vector<ProvenanceValue> extracted_values;
  std::vector<ProvenanceCheck> hallucination_checks;

  struct {
    std::string id, name, email;
  } reviewing_physician;
  int64_t review_duration_ms = 0;

  std::vector<ProvenanceEdit> edits;
  struct {
    std::string original, final;
    double percent_changed = 0;
  } content_diff;

  double verification_rate = 0;  // percent, 0 to 100
  double hallucination_risk_score = 0;

  std::string generation_parameters;  // any JSON; empty for none
  std::vector<ProvenanceApproval> approvals;
  std::string nonce;  // 32 octets, so that the hash of a short record cannot be guessed
};

// RFC 8785 form. Optional members are absent when they are empty, criticModel is null then. Invalid if a text is not
// UTF-8, a number is not finite, or a part that is JSON does not read.
Result<std::string> canonical(const Provenance& provenance);
inline Digest provenance_sha256(std::string_view canonical_json) { return sha256(canonical_json); }
// Takes what canonical() writes, with members in any order. Invalid names the member that is missing, unknown or of
// another type.
Result<Provenance> parse_provenance(std::string_view json);

// The printable report: UTF-8, at most 80 columns, sections in the order of ProvenanceData, ending with the hash and
// VERIFIED or NOT VERIFIED. `is_verified` says whether the stored record has the hash that the log holds.
std::string text_report(const Provenance& provenance, const Digest& sha256, bool is_verified);

}  // namespace signet
