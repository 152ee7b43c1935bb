// Rows as RFC 4180 has them: comma, CRLF, quotes doubled; UTF-8 without a mark. A spreadsheet runs as a formula what
// begins with = + - @ TAB CR, behind blanks too: such a cell gets an apostrophe in front (OWASP, "CSV Injection").
#pragma once

#include <span>
#include <string>

#include "base/sink.h"

namespace signet {

class CsvWriter {
 public:
  explicit CsvWriter(Sink& to) : to_(to) {}  // which outlives this
  Result<void> row(std::span<const std::string> cells);

 private:
  Sink& to_;
  std::string line_;  // kept for its room
};

}  // namespace signet
