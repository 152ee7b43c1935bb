#include "audit/csv.h"
#include "daemon/evidence/export_columns.h"

namespace signet {

Result<ExportTotals> write_csv(const ExportSource& source, Sink& to) {
  CsvWriter csv(to);
  if (auto head = csv.row(export_columns(source.what)); !head) return head.error();
  return each_entry(source, [&](const ExportEntry& entry) { return csv.row(export_cells(source.what, entry)); });
}

}  // namespace signet
