// Which shard is claimed next. Shards that gave something are asked again in turn, so that a flood in one starves no
// other; idle ones are asked when a bell rings or by the poll.
#pragma once

#include <array>
#include <deque>
#include <optional>

#include "base/ids.h"

namespace signet {

class Dispatcher {
 public:
  // Loops start at different shards, so that they do not queue behind each other.
  Dispatcher(int loop, int loops) : first_(loop * kShards / loops) { wake_all(); }
  void wake(int shard);
  void wake_all();
  std::optional<int> next();           // takes it off the line
  void claimed(int shard, int count);  // it had something: back to the end of the line

 private:
  const int first_;
  std::deque<int> line_;
  std::array<bool, kShards> is_waiting_{};
};

}  // namespace signet
