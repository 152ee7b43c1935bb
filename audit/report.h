// The compliance report (design: evidence, "Exports, reports, alerts"). JSON is the source: PDF and CSV are made of its
// bytes alone and print their SHA-256. Ids, names of staff, codes and numbers; no PHI. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/sink.h"
#include "message/figures.h"

namespace signet {

enum class Consistency {
  verified,   // the proof between the checkpoints of both ends, made and checked for this report
  empty,      // there was no checkpoint at the beginning: nothing to extend
  unchanged,  // the same checkpoint at both ends
  failed,
};
std::string_view name(Consistency consistency);

struct ReportSource {  // what is not counted
  std::string version, instance, log_name;
  WallTime made_at;
  std::string made_for;  // a user's id, or a schedule's name
  Consistency consistency = Consistency::empty;
  int proof_hashes = 0;
  int retention_years = 7;
  int quorum = 2;  // signatures that high risk takes
};

// RFC 8785 form. Times are RFC 3339 in UTC, durations milliseconds.
std::string report_json(const Figures& figures, const ReportSource& source);
// `json` is what report_json() gave, else corrupt. A missing font is not_found and names its package.
Result<void> report_pdf(std::string_view json, Sink& to);
// Rows of section, table, row, figure, value; the JSON's digest is in the first.
Result<void> report_csv(std::string_view json, Sink& to);

}  // namespace signet
