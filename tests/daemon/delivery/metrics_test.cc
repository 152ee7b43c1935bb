#include "daemon/metrics.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace signet {
namespace {

TEST_CASE("what the daemon counts is printed, each with what it is") {
  const std::string printed = Metrics().text();
  const std::regex counted(R"re((?:metrics_?|metrics\(\))(?:\.|->)(?:add|set)\(\s*"(signet_\w+)")re");
  int found = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(SIGNET_SOURCE_DIR "/daemon")) {
    if (file.path().extension() != ".cc") continue;
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const std::string code = text.str();
    for (std::sregex_iterator it(code.begin(), code.end(), counted), end; it != end; ++it, found++) {
      INFO(file.path() << ": " << (*it)[1]);
      CHECK(printed.find("# HELP " + (*it)[1].str() + ' ') != std::string::npos);
    }
  }
  CHECK(found > 20);
}

}  // namespace
}  // namespace signet
