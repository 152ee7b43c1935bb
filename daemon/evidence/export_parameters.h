// What an export is to hold, as it was asked for and stands in its task's row: without PHI, people by their keyed
// hashes. The checkpoint is part of it, so that a daemon that begins again writes the same rows. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "store/audit_entries.h"

namespace signet {

enum class ExportFormat { csv, json, pdf, fhir, evidence };
struct ExportForm {
  ExportFormat format = ExportFormat::csv;
  std::string_view name, extension, media_type;
  int64_t rows_max = 0;  // 0: any number; of evidence, of a selection: the whole log may be larger
};
std::span<const ExportForm> export_forms();
const ExportForm& form_of(ExportFormat format);
std::optional<ExportFormat> parse_export_format(std::string_view name);

// Closed, since the audit log takes no text that somebody typed.
inline constexpr std::string_view kExportPurposes[] = {"audit", "compliance", "disclosure",      "investigation",
                                                       "legal", "operations", "patient_request", "quality"};

struct ExportParameters {
  ExportFormat format = ExportFormat::csv;
  std::string purpose;  // of kExportPurposes
  // Beyond the events: what is known of their messages; what these say, to whom; how that was changed.
  bool has_metadata = true, has_content = false, has_edit_history = false;
  EntryFilter filter;               // without cursor, scope and limit
  std::string filters;              // the names of those that were given, joined by commas
  std::string previous_checkpoint;  // of evidence: the note that the auditor holds; empty: none
  int64_t size = 0;                 // of the checkpoint: entries before it are exported
  std::optional<Digest> root;

  bool is_about_content() const { return has_content || has_edit_history; }
  std::string include() const;  // "content,metadata"
};

std::string canonical(const ExportParameters& parameters);
Result<ExportParameters> parse_export_parameters(std::string_view json);  // corrupt: none of canonical()'s
// The filters by name and value, for people: a patient or recipient is only said to be one.
std::vector<std::pair<std::string, std::string>> shown_filters(const ExportParameters& parameters);

}  // namespace signet
