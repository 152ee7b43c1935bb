#include <map>

#include "audit/pdf.h"
#include "base/bytes.h"
#include "daemon/evidence/export_columns.h"

namespace signet {
namespace {

// Their own columns of the page; everything else is said by name in the last.
const std::vector<PdfColumn> kColumns{{"seq", 5, true}, {"at", 15},    {"action", 11}, {"actor", 15},
                                      {"object", 15},   {"status", 8}, {"more", 32}};
// Hashes and links of the chain are of use to a program, which reads the other formats.
constexpr std::string_view kLeftOut[] = {"leaf",
                                         "id",
                                         "at",
                                         "action",
                                         "actorId",
                                         "actorRole",
                                         "objectType",
                                         "objectId",
                                         "objectPrev",
                                         "status",
                                         "actorSession",
                                         "actorUaHash",
                                         "attemptSha256",
                                         "callbackSha256",
                                         "envelopeCommit",
                                         "provenanceSha256",
                                         "requestId",
                                         "messageId",
                                         "seq"};

std::vector<std::string> page_row(const std::vector<std::string>& names, const std::vector<std::string>& cells) {
  std::map<std::string_view, std::string_view> of;
  for (size_t i = 0; i < names.size(); i++) of[names[i]] = cells[i];
  std::string more;
  for (size_t i = 0; i < names.size(); i++) {
    if (cells[i].empty() || cells[i] == "{}" || cells[i] == "[]") continue;
    if (std::find(std::begin(kLeftOut), std::end(kLeftOut), names[i]) != std::end(kLeftOut)) continue;
    more += (more.empty() ? "" : "\n") + names[i] + ": " + cells[i];
  }
  auto two = [](std::string_view a, std::string_view b) {
    return std::string(a) + (a.empty() || b.empty() ? "" : "\n") + std::string(b);
  };
  return {std::string(of["seq"]),
          std::string(of["at"]),
          std::string(of["action"]),
          two(of["actorRole"], of["actorId"]),
          two(of["objectType"], of["objectId"]),
          std::string(of["status"]),
          std::move(more)};
}

std::string filters_text(const ExportParameters& what) {
  std::string out;
  for (const auto& [name, value] : shown_filters(what)) out += (out.empty() ? "" : "; ") + name + " " + value;
  return out.empty() ? "none: the whole log" : out;
}

std::string include_text(const ExportParameters& what) {
  const std::string include = what.include();
  return include.empty() ? "events only" : "events, " + include;
}

}  // namespace

Result<ExportTotals> write_pdf(const ExportSource& source, Sink& to) {
  const ExportParameters& what = source.what;
  const std::vector<std::string> names = export_columns(what);
  const int64_t rows_max = form_of(ExportFormat::pdf).rows_max;
  // The digest stands before the rows, so these wait for it; they are not many.
  std::vector<std::vector<std::string>> rows;
  const auto totals = each_entry(source, [&](const ExportEntry& entry) -> Result<void> {
    if (static_cast<int64_t>(rows.size()) == rows_max)
      return Error{ErrorCode::limit, "more than " + std::to_string(rows_max) + " entries: ask for CSV"};
    rows.push_back(page_row(names, export_cells(what, entry)));
    return {};
  });
  if (!totals) return totals;

  const std::string digest = to_hex(view(totals->sha256));
  const std::string proof =
      what.root ? "Checkpoint of " + std::to_string(what.size) + " entries, root " + to_hex(view(*what.root))
                : "No checkpoint yet";
  PdfStyle style;
  style.title = "Signet: export of the audit log, " + rfc3339_ms(source.task.asked_at);
  style.footer = "SHA-256 of the data " + digest + "\n" + proof;
  style.created_at = source.task.asked_at;
  style.is_landscape = true;
  auto document = PdfDocument::make(style);
  if (!document) return document.error();
  PdfDocument& pdf = **document;
  pdf.heading(1, "Audit export");
  pdf.table({{"", 1}, {"", 5}});
  pdf.row({"Purpose", what.purpose});
  pdf.row({"Filters", filters_text(what)});
  pdf.row({"Contains", include_text(what)});
  pdf.row({"Asked for by", (source.asked_by.empty() ? "" : source.asked_by + ", ") +
                               std::string(name(source.task.asked_role)) + ", " + source.task.asked_by.text()});
  pdf.row({"Asked for at", rfc3339_ms(source.task.asked_at)});
  pdf.row({"Entries", std::to_string(totals->rows)});
  pdf.row({"SHA-256 of the data", digest});
  pdf.row({"Proof", proof});
  pdf.end_table();
  pdf.paragraph(
      "The SHA-256 is of the canonical bytes of the entries below, in the order of the log, each with a line feed. "
      "Exports of the same filters and checkpoint in other formats have the same one; an evidence bundle has the "
      "proofs that these entries stand in the log.");
  pdf.heading(2, "Entries");
  pdf.table(kColumns);
  for (const auto& row : rows) pdf.row(row);
  pdf.end_table();
  if (auto finished = pdf.finish(to); !finished) return finished.error();
  return totals;
}

}  // namespace signet
