#include "message/clinical.h"

#include <algorithm>

namespace signet {

std::string_view name(ValueType type) {
  switch (type) {
    case ValueType::measurement:
      return "measurement";
    case ValueType::diagnosis:
      return "diagnosis";
    case ValueType::medication:
      return "medication";
  }
  return "unknown";
}

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return "critical";
    case Severity::major:
      return "major";
    case Severity::minor:
      return "minor";
  }
  return "unknown";
}

std::string_view name(SourceType type) {
  switch (type) {
    case SourceType::recording:
      return "recording";
    case SourceType::document:
      return "document";
  }
  return "unknown";
}

std::optional<ValueType> parse_value_type(std::string_view text) {
  for (const auto type : {ValueType::measurement, ValueType::diagnosis, ValueType::medication})
    if (name(type) == text) return type;
  return std::nullopt;
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (const auto severity : {Severity::critical, Severity::major, Severity::minor})
    if (name(severity) == text) return severity;
  return std::nullopt;
}

std::optional<SourceType> parse_source_type(std::string_view text) {
  for (const auto type : {SourceType::recording, SourceType::document})
    if (name(type) == text) return type;
  return std::nullopt;
}

double verification_rate(const std::vector<ClinicalValue>& values) {
  if (values.empty()) return 100;
  const auto verified =
      std::count_if(values.begin(), values.end(), [](const ClinicalValue& value) { return value.is_verified; });
  return 100.0 * static_cast<double>(verified) / static_cast<double>(values.size());
}

}  // namespace signet
