#include "daemon/api/clinical_json.h"

#include <nlohmann/json.hpp>

namespace signet::api {
namespace {

using Json = nlohmann::json;

constexpr size_t kItemsMax = 500;
constexpr size_t kIdOctetsMax = 128;
constexpr size_t kNameOctetsMax = 256;
constexpr size_t kTextOctetsMax = 4096;
constexpr int64_t kCountMax = 1LL << 40;

std::string required_text(Members& members, const char* name, size_t octets_max) {
  members.require(name, "write it");
  return members.text(name, octets_max, true).value_or("");
}

std::string id_of(Members& members) {
  members.require("id", "give each its own");
  return members.label("id", kIdOctetsMax).value_or("");
}

template <class T>
void refuse_repeated(Members& members, const char* name, const std::vector<T>& items) {
  for (size_t i = 0; i < items.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (items[i].id == items[j].id && !items[i].id.empty()) {
        members.refuse(std::string(name) + '[' + std::to_string(i) + "].id", "is there twice", "give each its own");
        break;
      }
}

void refuse_decided(Members& members, const char* flag, const char* how) {
  if (members.flag(flag).value_or(false)) members.refuse(flag, "is decided in a review", how);
}

ClinicalValue read_value(Members& members) {
  ClinicalValue value;
  value.id = id_of(members);
  value.name = required_text(members, "name", kNameOctetsMax);
  value.value = required_text(members, "value", kTextOctetsMax);
  value.unit = members.text("unit", kNameOctetsMax).value_or("");
  members.require("type", "write measurement, diagnosis or medication");
  const auto type = members.word<ValueType>("type", parse_value_type, {"measurement", "diagnosis", "medication"});
  value.type = type.value_or(ValueType::measurement);
  value.is_critical = members.flag("critical").value_or(false);
  refuse_decided(members, "verified", "name its id in verifiedValueIds there");
  for (const char* name : {"verifiedAt", "verifiedBy"})
    if (members.has(name)) members.refuse(name, "is decided in a review", "leave it out");
  return value;
}

HallucinationFlag read_flag(Members& members) {
  HallucinationFlag flag;
  flag.id = id_of(members);
  flag.flagged_text = required_text(members, "flaggedText", kTextOctetsMax);
  members.require("severity", "write critical, major or minor");
  flag.severity =
      members.word<Severity>("severity", parse_severity, {"critical", "major", "minor"}).value_or(Severity::critical);
  flag.reason = required_text(members, "reason", kTextOctetsMax);
  refuse_decided(members, "dismissed", "name its id in dismissedFlagIds there");
  if (members.has("dismissedReason")) members.refuse("dismissedReason", "is decided in a review", "leave it out");
  return flag;
}

SourceFile read_source(Members& members) {
  SourceFile source;
  source.id = id_of(members);
  members.require("type", "write recording or document");
  source.type =
      members.word<SourceType>("type", parse_source_type, {"recording", "document"}).value_or(SourceType::recording);
  source.name = required_text(members, "name", kNameOctetsMax);
  members.require("createdAt", "write it as 2026-11-22T09:30:00Z");
  source.created_at = members.time("createdAt").value_or(WallTime{});
  return source;
}

Generation read_generation(const JsonValue& value, std::vector<Fault>& faults, const std::string& where) {
  Members members(value, where, faults);
  Generation out;
  out.primary_model = members.text("primaryModel", kNameOctetsMax).value_or("");
  out.critic_model = members.text("criticModel", kNameOctetsMax).value_or("");
  out.input_tokens = members.integer("inputTokens", 0, kCountMax).value_or(0);
  out.output_tokens = members.integer("outputTokens", 0, kCountMax).value_or(0);
  out.generation_duration_ms = members.integer("generationDurationMs", 0, kCountMax).value_or(0);
  out.hallucination_risk_score = members.number("hallucinationRiskScore", 0, 100);
  if (const JsonValue* parameters = members.object("parameters")) {
    out.parameters = write_json(*parameters);
    if (out.parameters.size() > kTextOctetsMax) members.refuse("parameters", "is too long", "at most 4096 octets");
  }
  members.finish();
  return out;
}

Json optional_time(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }
Json optional_text(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string text_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<WallTime> time_at(const Json& json, const char* name) {
  auto parsed = parse_rfc3339(text_at(json, name));
  if (!parsed) return std::nullopt;
  return *parsed;
}

}  // namespace

void read_clinical(Members& members, Clinical& clinical) {
  std::vector<ClinicalValue> values;
  if (members.objects("clinicalValues", kItemsMax, [&](Members& m) { values.push_back(read_value(m)); })) {
    refuse_repeated(members, "clinicalValues", values);
    clinical.values = std::move(values);
  }
  std::vector<HallucinationFlag> flags;
  if (members.objects("hallucinationFlags", kItemsMax, [&](Members& m) { flags.push_back(read_flag(m)); })) {
    refuse_repeated(members, "hallucinationFlags", flags);
    clinical.flags = std::move(flags);
  }
  std::vector<SourceFile> sources;
  if (members.objects("sourceFiles", kItemsMax, [&](Members& m) { sources.push_back(read_source(m)); })) {
    refuse_repeated(members, "sourceFiles", sources);
    clinical.sources = std::move(sources);
  }
  if (const JsonValue* generation = members.object("generation"))
    clinical.generation = read_generation(*generation, members.faults(), members.place("generation"));
}

std::string clinical_json(const Clinical& clinical) {
  Json values = Json::array();
  for (const auto& v : clinical.values)
    values.push_back({{"id", v.id},
                      {"name", v.name},
                      {"value", v.value},
                      {"unit", optional_text(v.unit)},
                      {"type", name(v.type)},
                      {"critical", v.is_critical},
                      {"verified", v.is_verified},
                      {"verifiedAt", optional_time(v.verified_at)},
                      {"verifiedBy", v.verified_by ? Json(v.verified_by->text()) : Json(nullptr)}});
  Json flags = Json::array();
  for (const auto& f : clinical.flags)
    flags.push_back({{"id", f.id},
                     {"flaggedText", f.flagged_text},
                     {"severity", name(f.severity)},
                     {"reason", f.reason},
                     {"dismissed", f.is_dismissed},
                     {"dismissedReason", optional_text(f.dismissed_reason)}});
  Json sources = Json::array();
  for (const auto& s : clinical.sources)
    sources.push_back({{"id", s.id}, {"type", name(s.type)}, {"name", s.name}, {"createdAt", rfc3339(s.created_at)}});
  const Generation& g = clinical.generation;
  const Json parameters = g.parameters.empty() ? Json(nullptr) : Json::parse(g.parameters, nullptr, false);
  const Json generation{
      {"primaryModel", optional_text(g.primary_model)},
      {"criticModel", optional_text(g.critic_model)},
      {"inputTokens", g.input_tokens},
      {"outputTokens", g.output_tokens},
      {"generationDurationMs", g.generation_duration_ms},
      {"hallucinationRiskScore", g.hallucination_risk_score ? Json(*g.hallucination_risk_score) : Json(nullptr)},
      {"parameters", parameters}};
  return Json{
      {"clinicalValues", values}, {"generation", generation}, {"hallucinationFlags", flags}, {"sourceFiles", sources}}
      .dump();
}

Clinical parse_clinical(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  Clinical out;
  if (!json.is_object()) return out;
  for (const auto& v : json.value("clinicalValues", Json::array())) {
    ClinicalValue value;
    value.id = text_at(v, "id");
    value.name = text_at(v, "name");
    value.value = text_at(v, "value");
    value.unit = text_at(v, "unit");
    value.type = parse_value_type(text_at(v, "type")).value_or(ValueType::measurement);
    value.is_critical = v.value("critical", false);
    value.is_verified = v.value("verified", false);
    value.verified_at = time_at(v, "verifiedAt");
    if (auto person = parse_uuid(text_at(v, "verifiedBy"))) value.verified_by = *person;
    out.values.push_back(std::move(value));
  }
  for (const auto& f : json.value("hallucinationFlags", Json::array())) {
    HallucinationFlag flag;
    flag.id = text_at(f, "id");
    flag.flagged_text = text_at(f, "flaggedText");
    flag.severity = parse_severity(text_at(f, "severity")).value_or(Severity::critical);
    flag.reason = text_at(f, "reason");
    flag.is_dismissed = f.value("dismissed", false);
    flag.dismissed_reason = text_at(f, "dismissedReason");
    out.flags.push_back(std::move(flag));
  }
  for (const auto& s : json.value("sourceFiles", Json::array())) {
    SourceFile source;
    source.id = text_at(s, "id");
    source.type = parse_source_type(text_at(s, "type")).value_or(SourceType::document);
    source.name = text_at(s, "name");
    source.created_at = time_at(s, "createdAt").value_or(WallTime{});
    out.sources.push_back(std::move(source));
  }
  const Json g = json.value("generation", Json::object());
  out.generation.primary_model = text_at(g, "primaryModel");
  out.generation.critic_model = text_at(g, "criticModel");
  out.generation.input_tokens = g.value("inputTokens", int64_t{0});
  out.generation.output_tokens = g.value("outputTokens", int64_t{0});
  out.generation.generation_duration_ms = g.value("generationDurationMs", int64_t{0});
  if (g.contains("hallucinationRiskScore") && g["hallucinationRiskScore"].is_number())
    out.generation.hallucination_risk_score = g["hallucinationRiskScore"].get<double>();
  if (g.contains("parameters") && g["parameters"].is_object()) out.generation.parameters = g["parameters"].dump();
  return out;
}

}  // namespace signet::api
