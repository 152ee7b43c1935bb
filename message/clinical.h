// What a draft says about its patient beyond the text, and where that came from (design: product, "A message's
// fields"). All of it is about a patient: stored only under the seal, never in a log line or an audit entry. Pure data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace signet {

enum class ValueType { measurement, diagnosis, medication };
enum class Severity { critical, major, minor };
enum class SourceType { recording, document };

std::string_view name(ValueType type);  // "measurement", ...: as in JSON
std::string_view name(Severity severity);
std::string_view name(SourceType type);
std::optional<ValueType> parse_value_type(std::string_view text);
std::optional<Severity> parse_severity(std::string_view text);
std::optional<SourceType> parse_source_type(std::string_view text);

struct ClinicalValue {
  std::string id;    // the caller's, unique within the message
  std::string name;  // "LVEF"
  std::string value;
  std::string unit;  // empty: none
  ValueType type = ValueType::measurement;
  bool is_critical = false;
  bool is_verified = false;
  std::optional<WallTime> verified_at;
  std::optional<Uuid> verified_by;
};

struct HallucinationFlag {
  std::string id;  // the caller's, unique within the message
  std::string flagged_text;
  Severity severity = Severity::major;
  std::string reason;
  bool is_dismissed = false;
  std::string dismissed_reason;  // empty: none was given
};

struct Generation {
  std::string primary_model;  // empty: not generated
  std::string critic_model;   // empty: none
  int64_t input_tokens = 0, output_tokens = 0;
  int64_t generation_duration_ms = 0;
  std::optional<double> hallucination_risk_score;  // 0 to 100
  std::string parameters;                          // a JSON object as text; empty: none
};

struct SourceFile {
  std::string id;
  SourceType type = SourceType::document;
  std::string name;
  WallTime created_at;
};

// Of all values those verified, in percent; 100 where there are none.
double verification_rate(const std::vector<ClinicalValue>& values);

}  // namespace signet
