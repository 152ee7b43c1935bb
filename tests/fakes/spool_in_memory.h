// The disk under a spool of results: what is in `octets` outlives the run that wrote it.
#pragma once

#include <algorithm>
#include <string>

#include "daemon/delivery/spool.h"

namespace signet {

class SpoolInMemory : public SpoolFile {
 public:
  SpoolInMemory(std::string& octets, const size_t& room) : octets_(octets), room_(room) {}  // both outlive it
  Result<std::string> read() override { return octets_; }
  Result<void> append(std::string_view octets) override {
    const bool has_room = octets_.size() + octets.size() <= room_;
    octets_ += octets.substr(0, room_ - std::min(room_, octets_.size()));
    if (!has_room) return Error{ErrorCode::limit, "the disk is full"};
    return {};
  }
  Result<void> cut(size_t size) override {
    octets_.resize(size);
    return {};
  }

 private:
  std::string& octets_;
  const size_t& room_;
};

}  // namespace signet
