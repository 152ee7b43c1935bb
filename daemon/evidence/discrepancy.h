// What does not verify, and exactly where: daemon/evidence/verifier.h lists the words of `what`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace signet {

struct Discrepancy {
  std::string what;
  std::optional<int64_t> seq;    // the place in the log, or a size
  std::optional<Uuid> event_id;  // whose leaf names the row
  std::string relation;          // the row's table; two of them where the leaf covers a pair
  std::string row_key;           // its primary key, parts joined by '/'
  bool operator==(const Discrepancy&) const = default;
};
using Discrepancies = std::vector<Discrepancy>;

}  // namespace signet
