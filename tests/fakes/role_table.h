// The role table as people read it: docs/roles.md.
#pragma once

#include <fstream>
#include <string>
#include <vector>

namespace signet {

// The rows of the table under "| action | staff | ..." in a Markdown file, the head first: cells without the blanks
// around them.
inline std::vector<std::vector<std::string>> role_table(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> rows;
  std::string line;
  bool is_inside = false;
  while (std::getline(file, line)) {
    if (line.starts_with("| action | staff |")) is_inside = true;
    if (!is_inside) continue;
    if (!line.starts_with('|')) break;
    if (line.starts_with("|---")) continue;
    std::vector<std::string> cells;
    for (size_t begin = 1, end; (end = line.find('|', begin)) != std::string::npos; begin = end + 1) {
      const size_t first = line.find_first_not_of(' ', begin);
      const size_t last = line.find_last_not_of(' ', end - 1);
      cells.push_back(line.substr(first, last + 1 - first));
    }
    rows.push_back(std::move(cells));
  }
  return rows;
}

}  // namespace signet
