// An entry of an export as a flat row: what CSV has, and the cells of the PDF (docs/exports.md lists the columns).
#pragma once

#include <string>
#include <vector>

#include "daemon/evidence/export_entries.h"

namespace signet {

std::vector<std::string> export_columns(const ExportParameters& what);
// As many as there are columns; empty where the entry has nothing to say.
std::vector<std::string> export_cells(const ExportParameters& what, const ExportEntry& entry);

}  // namespace signet
