#include "daemon/delivery/room.h"

#include <algorithm>

#include "base/check.h"

namespace signet {

void Room::enter(const std::string& lane) {
  held_[lane]++;
  size_++;
}

void Room::leave(const std::string& lane) {
  const auto found = held_.find(lane);
  SIGNET_CHECK(found != held_.end());
  if (--found->second == 0) held_.erase(found);
  size_--;
}

const std::string* Room::lane_over_share() const {
  const bool is_alone = held_.size() == 1;
  for (const auto& [lane, held] : held_)
    if (held >= (is_alone ? window_ - window_ / 4 : window_ / 2)) return &lane;
  return nullptr;
}

int Room::for_others() const { return std::max(0, window_ - window_ / 8 - size_ - reserved_); }

int Room::for_all() const {
  if (lane_over_share()) return 0;
  const int most = held_.size() == 1 ? window_ - window_ / 4 : window_ - window_ / 8;
  return std::max(0, most - size_ - reserved_);
}

}  // namespace signet
