#include "daemon/evidence/export_parameters.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/evidence/bundle_writer.h"

namespace signet {
namespace {

using Json = nlohmann::json;  // members sorted, as RFC 8785 wants; texts here are ASCII or a client's reference

constexpr ExportForm kForms[] = {
    {ExportFormat::csv, "csv", "csv", "text/csv; charset=utf-8; header=present", 0},
    {ExportFormat::json, "json", "json", "application/json", 0},
    {ExportFormat::pdf, "pdf", "pdf", "application/pdf", 5000},
    {ExportFormat::fhir, "fhir", "json", "application/fhir+json", 0},
    {ExportFormat::evidence, "evidence", "zip", "application/zip", kBundleProofsMax},
};

Json filter_json(const EntryFilter& f) {
  Json out = Json::object();
  if (f.from) out["from"] = rfc3339(*f.from);
  if (f.before) out["to"] = rfc3339(*f.before);
  if (f.actor_id) out["actor"] = f.actor_id->text();
  if (f.message_id) out["messageId"] = f.message_id->text();
  if (f.action) out["action"] = *f.action;
  if (f.provider) out["provider"] = *f.provider;
  if (f.status) out["status"] = name(*f.status);
  if (f.kind) out["channel"] = name(*f.kind);
  if (f.reference) out["clientReference"] = *f.reference;
  if (f.patient_key) out["patientKey"] = to_hex(*f.patient_key);
  if (f.recipient_key) out["recipientKey"] = to_hex(*f.recipient_key);
  return out;
}

template <class T>
std::optional<T> value_at(const Json& json, const char* member, Result<T> (*parse)(std::string_view)) {
  if (!json.contains(member)) return std::nullopt;
  auto parsed = parse(json[member].get<std::string>());
  return parsed ? std::optional(std::move(*parsed)) : std::nullopt;
}
std::optional<std::string> text_at(const Json& json, const char* member) {
  return json.contains(member) ? std::optional(json[member].get<std::string>()) : std::nullopt;
}

EntryFilter filter_from(const Json& json) {
  EntryFilter f;
  f.from = value_at<WallTime>(json, "from", parse_rfc3339);
  f.before = value_at<WallTime>(json, "to", parse_rfc3339);
  f.actor_id = value_at<Uuid>(json, "actor", parse_uuid);
  f.message_id = value_at<Uuid>(json, "messageId", parse_uuid);
  f.action = text_at(json, "action");
  f.provider = text_at(json, "provider");
  f.status = parse_status(json.value("status", ""));
  f.kind = parse_kind(json.value("channel", ""));
  f.reference = text_at(json, "clientReference");
  f.patient_key = value_at<std::string>(json, "patientKey", from_hex);
  f.recipient_key = value_at<std::string>(json, "recipientKey", from_hex);
  return f;
}

}  // namespace

std::span<const ExportForm> export_forms() { return kForms; }

const ExportForm& form_of(ExportFormat format) {
  return *std::find_if(std::begin(kForms), std::end(kForms), [&](const auto& form) { return form.format == format; });
}

std::optional<ExportFormat> parse_export_format(std::string_view name) {
  for (const auto& form : kForms)
    if (form.name == name) return form.format;
  return std::nullopt;
}

std::string ExportParameters::include() const {
  std::string out;
  const std::pair<bool, const char*> parts[] = {
      {has_content, "content"}, {has_edit_history, "editHistory"}, {has_metadata, "metadata"}};
  for (const auto& [is_in, part] : parts)
    if (is_in) out += (out.empty() ? "" : ",") + std::string(part);
  return out;
}

std::string canonical(const ExportParameters& p) {
  Json out{{"filter", filter_json(p.filter)},
           {"filters", p.filters},
           {"format", form_of(p.format).name},
           {"include", {{"content", p.has_content}, {"editHistory", p.has_edit_history}, {"metadata", p.has_metadata}}},
           {"purpose", p.purpose},
           {"root", p.root ? Json(to_hex(view(*p.root))) : Json(nullptr)},
           {"size", p.size}};
  if (!p.previous_checkpoint.empty()) out["previousCheckpoint"] = p.previous_checkpoint;
  return out.dump();
}

Result<ExportParameters> parse_export_parameters(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  const Error corrupt{ErrorCode::corrupt, "the export's parameters are not those of this version: ask for it again"};
  if (!json.is_object()) return corrupt;
  try {
    ExportParameters p;
    const auto format = parse_export_format(json.at("format").get<std::string>());
    if (!format) return corrupt;
    p.format = *format;
    p.purpose = json.at("purpose");
    const Json& include = json.at("include");
    p.has_content = include.at("content");
    p.has_edit_history = include.at("editHistory");
    p.has_metadata = include.at("metadata");
    p.filter = filter_from(json.at("filter"));
    p.filters = json.at("filters");
    p.size = json.at("size");
    p.previous_checkpoint = json.value("previousCheckpoint", "");
    if (const auto root = json.at("root"); !root.is_null()) {
      auto octets = from_hex(root.get<std::string>());
      if (!octets || octets->size() != 32) return corrupt;
      p.root = digest_from(*octets);
    }
    return p;
  } catch (const Json::exception&) {
    return corrupt;
  }
}

std::vector<std::pair<std::string, std::string>> shown_filters(const ExportParameters& parameters) {
  std::vector<std::pair<std::string, std::string>> out;
  const Json filter = filter_json(parameters.filter);
  for (const auto& [name, value] : filter.items()) {
    if (name == "patientKey")
      out.emplace_back("patientId", "one patient");
    else if (name == "recipientKey")
      out.emplace_back("recipient", "one recipient");
    else
      out.emplace_back(name, value.get<std::string>());
  }
  return out;
}

}  // namespace signet
