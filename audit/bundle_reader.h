// Reads the zip of an evidence bundle, and holds every octet of it against the one form that it has (docs/bundle.md).
// Pure: octets come from the caller. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace signet {

struct BundleFault {
  std::string file;  // as in the bundle; "(zip)" for octets that belong to none
  int64_t line = 0;  // of events.jsonl; 0: none
  std::string text;  // what is wrong with it
  bool operator==(const BundleFault&) const = default;
};

struct BundleOctets {
  int64_t size = 0;
  std::function<Result<std::string>(int64_t offset, size_t count)> at;  // so many, or fewer at the end; io
};

class BundleReader {
 public:
  // Faults of the container are appended to `faults`; files that can be read still can. invalid: it is no zip at all.
  static Result<BundleReader> open(BundleOctets octets, std::vector<BundleFault>& faults);

  const std::vector<std::string>& names() const { return names_; }  // in the order of the zip, each once
  bool has(const std::string& name) const { return places_.contains(name); }
  int64_t size(const std::string& name) const { return places_.at(name).size; }
  // In pieces of up to 1 MiB. An error of `take` ends it and is given back.
  Result<void> read(const std::string& name, const std::function<Result<void>(std::string_view)>& take) const;
  Result<std::string> read(const std::string& name) const;  // limit: more than 256 MiB

 private:
  struct Place {
    int64_t offset = 0;
    int64_t size = 0;
  };
  struct Listed {  // as the directory says
    std::string name;
    int64_t size = 0, start = 0;
    uint32_t crc = 0;
  };

  explicit BundleReader(BundleOctets octets) : octets_(std::move(octets)) {}
  Result<void> read_directory(std::vector<BundleFault>& faults);
  Result<void> compare(const std::vector<Listed>& listed, std::vector<BundleFault>& faults) const;
  Result<std::string> exactly(int64_t offset, size_t count) const;

  BundleOctets octets_;
  int64_t directory_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, Place> places_;
};

// Whether a bundle may hold a file of this name.
bool is_bundle_name(std::string_view name);

}  // namespace signet
