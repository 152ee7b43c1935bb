// Which shard is claimed next. Shards that gave something are asked again in turn, so that a flood in one starves no
// other; idle ones are asked when a bell rings or by the poll. An express line stands beside, of shards that are asked
// first for what may not wait behind the rest.
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
  void wake(int shard);  // on both lines
  void wake_all();       // on the express line only while the other one is not done with the last round
  void wake_all_express();
  void wake_express(int shard) { express_.add(shard); }
  std::optional<int> next() { return all_.take(); }  // takes it off the line
  std::optional<int> next_express() { return express_.take(); }
  void claimed(int shard, int count);  // it had something: back to the end of the line
  // There was no room for what other lanes than the one with its share may have there. One at a time comes back to the
  // express line, so that room that comes and goes does not ask all shards each time.
  void pass_over(int shard) { passed_over_.add(shard); }
  void wake_passed_over();

 private:
  struct Line {
    std::deque<int> shards;
    std::array<bool, kShards> is_waiting{};
    void add(int shard);
    std::optional<int> take();
  };

  const int first_;
  Line all_, express_, passed_over_;
};

}  // namespace signet
