#include "daemon/delivery/dispatcher.h"

namespace signet {

void Dispatcher::wake(int shard) {
  auto& waiting = is_waiting_[static_cast<size_t>(shard)];
  if (waiting) return;
  waiting = true;
  line_.push_back(shard);
}

void Dispatcher::wake_all() {
  for (int i = 0; i < kShards; i++) wake((first_ + i) % kShards);
}

std::optional<int> Dispatcher::next() {
  if (line_.empty()) return std::nullopt;
  const int shard = line_.front();
  line_.pop_front();
  is_waiting_[static_cast<size_t>(shard)] = false;
  return shard;
}

void Dispatcher::claimed(int shard, int count) {
  if (count > 0) wake(shard);
}

}  // namespace signet
