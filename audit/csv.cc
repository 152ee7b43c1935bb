#include "audit/csv.h"

namespace signet {
namespace {

bool is_formula(std::string_view cell) {
  const size_t first = cell.find_first_not_of(" \n");
  if (first == std::string_view::npos) return false;
  const std::string_view rest = cell.substr(first);
  // The full-width forms count as much where a Japanese or Chinese keyboard is usual.
  for (const std::string_view wide : {"\uff1d", "\uff0b", "\uff0d", "\uff20"})
    if (rest.starts_with(wide)) return true;
  return std::string_view("=+-@\t\r").find(rest[0]) != std::string_view::npos;
}

void append_cell(std::string& line, std::string_view cell) {
  const bool is_neutralised = is_formula(cell);
  const bool is_quoted = is_neutralised || cell.find_first_of(",\"\r\n") != std::string_view::npos ||
                         cell.starts_with(' ') || cell.ends_with(' ');
  if (!is_quoted) {
    line += cell;
    return;
  }
  line += '"';
  if (is_neutralised) line += '\'';
  for (const char c : cell) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

}  // namespace

Result<void> CsvWriter::row(std::span<const std::string> cells) {
  line_.clear();
  for (size_t i = 0; i < cells.size(); i++) {
    if (i > 0) line_ += ',';
    append_cell(line_, cells[i]);
  }
  line_ += "\r\n";
  return to_.write(line_);
}

}  // namespace signet
