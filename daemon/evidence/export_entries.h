// Each entry of an export, one after another, with what the export was asked to say about it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "daemon/evidence/exporter.h"
#include "store/audit_entries.h"

namespace signet {

struct ExportContent {  // of the entry's message
  std::string patient_id, recipient, subject, body;
  std::string content_hash;  // SHA-256 of the body
  std::string review_notes;  // of the newest review at that moment
  std::string edit_history;  // JSON: a list, of the edits until that moment
};
struct ExportEntry {
  EntryRow row;
  // Where content was asked for, and the entry is about a message:
  bool is_erased = false;  // under the retention policy; then there is none
  std::optional<ExportContent> content;
  std::string note;  // of an external_note
};

using TakeEntry = std::function<Result<void>(const ExportEntry& entry)>;
// In the order of the log. Reports progress; its error is given back unchanged, as are those of `take`.
Result<ExportTotals> each_entry(const ExportSource& source, const TakeEntry& take);

}  // namespace signet
