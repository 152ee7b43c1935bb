// A folder of its own for each test, with configuration files in it.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "config/config.h"
#include "tests/base/files.h"

namespace signet {

// Four lines without which no configuration loads; what a test adds starts on line 5.
const std::string kNeeded =
    "postgres: { url: postgresql://app@db/signet }\n"
    "redis: { url: redis://cache, intake: false }\n"
    "secrets: { key_encryption_key_file: kek, daemon_mac_key_file: mac, index_key_file: index,\n"
    "           log_signing_key_file: log.pem }\n";

class Folder {
 public:
  std::string path(const std::string& name) const { return dir_ / name; }
  std::string write(const std::string& name, const std::string& octets, mode_t mode = 0600) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    return dir_.put(name, octets, mode);
  }
  Loaded load(const std::string& octets, const std::string& credentials_directory = {}) const {
    return load_config(write("signetd.yaml", octets), credentials_directory);
  }

 private:
  TestDir dir_;
};

// As describe() has them, with `signetd.yaml` for the whole path.
inline std::vector<std::string> lines_of(std::vector<Fault> faults) {
  std::vector<std::string> lines;
  for (auto& fault : faults) {
    fault.file = std::filesystem::path(fault.file).filename().string();
    lines.push_back(describe(fault));
  }
  return lines;
}

}  // namespace signet
