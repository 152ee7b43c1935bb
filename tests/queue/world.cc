#include "tests/queue/world.h"

#include <algorithm>

namespace signet::test {

bool LogLines::has(std::string_view part) const {
  return std::any_of(lines.begin(), lines.end(),
                     [part](const std::string& line) { return line.find(part) != std::string::npos; });
}

void run_until(Loop& loop, const std::function<bool()>& is_done) {
  bool is_late = false;
  Timer late(loop), look(loop);
  late.start(10000, [&] {
    is_late = true;
    loop.stop();
  });
  look.repeat(2, [&] {
    if (is_done()) loop.stop();
  });
  while (!is_done() && !is_late) loop.run();
  REQUIRE_FALSE(is_late);
}

void run_for(Loop& loop, int64_t ms) {
  bool is_over = false;
  Timer over(loop);
  over.start(ms, [&] {
    is_over = true;
    loop.stop();
  });
  while (!is_over) loop.run();
}

Uuid id_in(int shard, int n) {
  const int64_t ms = 1'790'000'000'000 / 8192 * 8192 + shard * 128;
  Uuid id;
  for (size_t i = 0; i < 6; i++) id.bytes[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  id.bytes[6] = 0x70;
  id.bytes[8] = 0x80;
  for (size_t i = 0; i < 4; i++) id.bytes[12 + i] = static_cast<uint8_t>(n >> (24 - 8 * i));
  return id;
}

std::vector<Hint> World::hints(int from, int count, Priority priority, const std::string& lane,
                               const std::string& sender) const {
  std::vector<Hint> hints;
  for (int n = from; n < from + count; n++) hints.push_back(hint(id_in(0, n), priority, lane, sender));
  return hints;
}

OfferReply World::offer_all(std::vector<Hint> hints, const std::string& owner) {
  return ask<OfferReply>(loop, [&](auto done) { queue(owner).offer(hints, done); }).value();
}
int64_t World::offer(std::vector<Hint> hints, const std::string& owner) {
  return offer_all(std::move(hints), owner).taken;
}
std::vector<Claimed> World::claim(ClaimRequest request, const std::string& owner) {
  return ask<std::vector<Claimed>>(loop, [&](auto done) { queue(owner).claim(request, done); }).value();
}
int64_t World::ack(const std::vector<Uuid>& ids, const std::string& owner) {
  return ask<int64_t>(loop, [&](auto done) { queue(owner).ack(ids, done); }).value();
}
int64_t World::nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids, const std::string& owner) {
  return ask<int64_t>(loop, [&](auto done) { queue(owner).nack_at(ids, done); }).value();
}
int64_t World::renew(const std::vector<Uuid>& ids, int64_t lease_ms, const std::string& owner) {
  return ask<int64_t>(loop, [&](auto done) { queue(owner).renew(ids, lease_ms, done); }).value();
}
TokenLease World::lease(double rate_per_s, double burst, int want, const std::string& owner) {
  return ask<TokenLease>(loop, [&](auto done) { queue(owner).lease_tokens("gateway", rate_per_s, burst, want, done); })
      .value();
}
int64_t World::sweep(int shard) {
  return ask<int64_t>(loop, [&](auto done) { queue().sweep(shard, done); }).value();
}
ShardReport World::inspect(int shard) {
  return ask<ShardReport>(loop, [&](auto done) { queue().inspect(shard, done); }).value();
}
void World::clear(int shard) {
  REQUIRE(ask<void>(loop, [&](auto done) { queue().clear(shard, done); }).ok());
}

Queue& MemoryWorld::queue(const std::string& owner) {
  auto& queue = queues_[owner];
  if (!queue) {
    options.owner = owner;
    queue = std::make_unique<MemoryQueue>(
        server, clock, [this](std::function<void()> action) { loop.post(std::move(action)); }, options);
  }
  return *queue;
}

Queue& RedisWorld::queue(const std::string& owner) {
  auto& queue = queues_[owner];
  if (!queue) {
    options.owner = owner;
    RedisOptions redis;
    redis.url = server.url();
    queue = std::make_unique<RedisQueue>(loop, clock, random, log, redis, options);
    run_until(loop, [&] { return queue->is_up(); });
  }
  return *queue;
}

std::vector<Uuid> ids_of(const std::vector<Claimed>& claimed) {
  std::vector<Uuid> ids;
  for (const auto& one : claimed) ids.push_back(one.id);
  return ids;
}
std::map<std::string, int> by_lane(const std::vector<Claimed>& claimed) {
  std::map<std::string, int> counts;
  for (const auto& one : claimed) counts[one.lane]++;
  return counts;
}
std::map<std::string, int> by_sender(const std::vector<Claimed>& claimed) {
  std::map<std::string, int> counts;
  for (const auto& one : claimed) counts[one.sender]++;
  return counts;
}
std::map<Priority, int> by_priority(const std::vector<Claimed>& claimed) {
  std::map<Priority, int> counts;
  for (const auto& one : claimed) counts[one.priority]++;
  return counts;
}

}  // namespace signet::test
