#include "daemon/metrics.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "tests/base/files.h"

namespace signet {

TEST_CASE("each family is there from the first scrape on, and docs/operations.md says what it says") {
  const std::string page = read_file(SIGNET_SOURCE_DIR "/docs/operations.md");
  std::istringstream lines(Metrics().text());
  const std::string begin = "# HELP ";
  int families = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(begin)) continue;
    const std::string name = line.substr(begin.size(), line.find(' ', begin.size()) - begin.size());
    INFO(name);
    CHECK((page.find('`' + name + '`') != std::string::npos || page.find('`' + name + '{') != std::string::npos));
    families++;
  }
  CHECK(families > 30);
}

}  // namespace signet
