// A server of npm's that a test speaks with: a script of this folder, whose first line says its port.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fakes/process.h"

namespace signet::testing {

class NpmServer {
 public:
  explicit NpmServer(const std::string& script, const std::vector<std::string>& arguments = {}) {
    const std::string source = SIGNET_SOURCE_DIR;
    // Beside the test programs, where other suites find it installed.
    const auto scratch = std::filesystem::path(SIGNET_BINARY).parent_path().parent_path() / "tests" / "npm";
    REQUIRE(std::system(("'" + source + "/tests/npm/install' '" + scratch.string() + "'").c_str()) == 0);
    char name[] = "/tmp/signet_npm_XXXXXX";
    folder_ = ::mkdtemp(name);
    std::vector<std::string> command{"/usr/bin/env", "NODE_PATH=" + (scratch / "node_modules").string(), "node",
                                     source + "/tests/providers/" + script};
    command.insert(command.end(), arguments.begin(), arguments.end());
    process_ = std::make_unique<Process>(command, folder_ + "/out");
    wait_until(script + " says its port", [this] { return !process_->is_running() || !said().empty(); });
    INFO(read_file(folder_ + "/out"));
    REQUIRE(process_->is_running());
    port = std::stoi(said().front());
  }
  ~NpmServer() {
    process_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::vector<std::string> lines() const {
    XX;
    whole ones auto all = said();
    all.erase(all.begin());
    return all;
  }
  int port = 0;

 private:
  std::vector<std::string> said() const {
    const auto text = read_file(folder_ + "/out");
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    std::vector<std::string> out;
    for (std::string line; std::getline(lines, line);) out.push_back(line);
    return out;
  }

  std::string folder_;
  std::unique_ptr<Process> process_;
};

}  // namespace signet::testing
