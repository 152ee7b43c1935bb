#include "daemon/delivery/dispatcher.h"

namespace signet {

void Dispatcher::Line::add(int shard) {
  auto& waiting = is_waiting[static_cast<size_t>(shard)];
  if (waiting) return;
  waiting = true;
  shards.push_back(shard);
}

std::optional<int> Dispatcher::Line::take() {
  if (shards.empty()) return std::nullopt;
  const int shard = shards.front();
  shards.pop_front();
  is_waiting[static_cast<size_t>(shard)] = false;
  return shard;
}

void Dispatcher::wake(int shard) {
  all_.add(shard);
  express_.add(shard);
}

void Dispatcher::wake_all() {
  if (!all_.shards.empty()) wake_all_express();
  for (int i = 0; i < kShards; i++) all_.add((first_ + i) % kShards);
}

void Dispatcher::wake_all_express() {
  for (int i = 0; i < kShards; i++) express_.add((first_ + i) % kShards);
}

void Dispatcher::wake_passed_over() {
  if (const auto shard = passed_over_.take()) express_.add(*shard);
}

void Dispatcher::claimed(int shard, int count) {
  if (count > 0) all_.add(shard);
}

}  // namespace signet
