// What operators have stopped, until they resume it: nothing of these priorities, nothing to these providers is sent.
#pragma once

#include <array>
#include <set>
#include <string>

namespace signet {

struct Pauses {
  std::array<bool, 4> priorities{};  // critical, high, normal, bulk
  std::set<std::string> providers;   // by name
  bool operator==(const Pauses&) const = default;
};

}  // namespace signet
