// The room between claim and ack, and who may have it: an eighth is kept for critical and high, and no lane holds more
// than half while another one is there. A lane alone leaves an eighth more, so that another can come in at all.
#pragma once

#include <map>
#include <string>

namespace signet {

class Room {
 public:
  explicit Room(int window) : window_(window) {}
  void enter(const std::string& lane);
  void leave(const std::string& lane);
  void reserve(int count) { reserved_ += count; }  // for a claim under way; the same number less when it ends
  // How many may be claimed: of whatever is due; of lanes other than lane_over_share(); of critical and high.
  int for_all() const;
  int for_others() const;
  int for_urgent() const { return window_ - size_ - reserved_; }
  const std::string* lane_over_share() const;  // null: none

 private:
  const int window_;
  int size_ = 0, reserved_ = 0;
  std::map<std::string, int> held_;  // by lane; none at 0
};

}  // namespace signet
