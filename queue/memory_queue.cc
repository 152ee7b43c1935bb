#include "queue/memory_queue.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "queue/hint_list.h"
#include "queue/rate.h"

namespace signet {
namespace {

using Active = MemoryQueueServer::Active;
using Shard = MemoryQueueServer::Shard;

// As in lua/signet.lua, which says why.
constexpr int64_t kPriorityMax = 16384;
constexpr int64_t kLaneMax = 4096;
constexpr size_t kPromoteMax = 256;
constexpr size_t kLapseMax = 128;
constexpr double kCreditMax = 256;
constexpr size_t kLookMax = 64;
constexpr int kPopMax = 1024;

size_t index_of(Priority priority) { return static_cast<size_t>(priority) - 1; }
int64_t due_ms_of(WallTime due_at) { return (due_at.us + 999) / 1000; }

void count(Shard& shard, const HintList& list, int64_t by) {
  shard.count_of_priority[index_of(list.priority)] += by;
  shard.count_of_lane[index_of(list.priority)][list.lane] += by;
}

bool is_full(Shard& shard, size_t priority, const std::string& lane) {
  return shard.count_of_priority[priority] >= kPriorityMax || shard.count_of_lane[priority][lane] >= kLaneMax;
}

void activate(Shard& shard, const HintList& list) {
  const size_t p = index_of(list.priority);
  shard.senders[p][list.lane].add(list.sender);
  shard.lanes[p].add(list.lane);
}

// To the heads of their lists, the first ending at the head.
void push_back(Shard& shard, const std::vector<std::pair<Uuid, std::string>>& ids) {
  for (auto it = ids.rbegin(); it != ids.rend(); ++it) {
    shard.lists[it->second].push_front(it->first);
    activate(shard, *parse_list_name(it->second));
  }
}

size_t promote(Shard& shard, int64_t now_ms) {
  const auto ids = shard.sched.take_until(now_ms, kPromoteMax);
  std::vector<std::pair<Uuid, std::string>> back;
  for (const Uuid& id : ids) {
    const auto own = shard.own.find(id);
    if (own == shard.own.end()) continue;
    if (own->second.leased_by.empty()) {
      back.emplace_back(id, own->second.list);
    } else {
      count(shard, *parse_list_name(own->second.list), -1);
    }
  }
  push_back(shard, back);
  return ids.size();
}

size_t lapse(Shard& shard, int64_t now_ms) {
  const auto ids = shard.lease.take_until(now_ms, kLapseMax);
  std::vector<std::pair<Uuid, std::string>> back;
  for (const Uuid& id : ids) {
    const auto own = shard.own.find(id);
    if (own == shard.own.end() || own->second.leased_by.empty()) continue;
    own->second.leased_by.clear();
    back.emplace_back(id, own->second.list);
    count(shard, *parse_list_name(own->second.list), 1);
  }
  push_back(shard, back);
  return ids.size();
}

// One claim. take() and below take up to `want` and say how many they got.
class Claim {
 public:
  Claim(Shard& shard, const ClaimRequest& request, const QueueOptions& options, int64_t now_ms)
      : shard_(shard),
        request_(request),
        options_(options),
        now_ms_(now_ms),
        closed_(request.closed_lanes.begin(), request.closed_lanes.end()),
        is_all_open_(closed_.empty() && request.closed_priorities == std::array<bool, 4>{}) {}

  std::vector<Claimed> run() {
    promote(shard_, now_ms_);
    lapse(shard_, now_ms_);
    const auto want = static_cast<int64_t>(request_.count_max);
    if (request_.critical_only) {
      const int64_t taken = take(0, want);
      auto& turn = shard_.turns[0];
      if (taken > 0 && turn.served_ms >= 0)
        turn = {std::max(-kCreditMax, turn.credit - static_cast<double>(taken)), now_ms_};
    } else {
      share_out(want);
      const bool is_idle =
          taken_.empty() && is_all_open_ && pops_ > 0 && shard_.sched.ms_of.empty() && shard_.lease.ms_of.empty();
      if (is_idle) {
        shard_.own.clear();
        shard_.count_of_priority = {};
        shard_.count_of_lane = {};
      }
    }
    return std::move(taken_);
  }

 private:
  // How many of what was popped count, and how many were popped.
  std::pair<int64_t, int64_t> take_sender(const HintList& list, int64_t want) {
    pops_--;
    std::string name = list_name({{}, list.priority, list.lane, list.sender, {}});
    const auto found = shard_.lists.find(name);
    if (found == shard_.lists.end()) return {0, 0};
    auto& ids = found->second;
    const int64_t popped = std::min(want, static_cast<int64_t>(ids.size()));
    int64_t kept = 0;
    for (int64_t i = 0; i < popped; i++) {
      const Uuid id = ids.front();
      ids.pop_front();
      const auto own = shard_.own.find(id);
      if (own == shard_.own.end() || own->second.list != name || !own->second.leased_by.empty()) continue;
      own->second.leased_by = options_.owner;
      shard_.lease.put(id, now_ms_ + request_.lease_ms);
      taken_.push_back({id, list.priority, list.lane, list.sender});
      kept++;
    }
    if (ids.empty()) shard_.lists.erase(found);
    count(shard_, list, -popped);
    return {kept, popped};
  }

  int64_t take_lane(size_t p, const std::string& lane, int64_t want) {
    Active& active = shard_.senders[p][lane];
    int64_t taken = 0;
    while (taken < want && pops_ > 0) {
      auto senders = active.least_first();
      if (senders.size() > kLookMax) senders.resize(kLookMax);
      if (senders.empty()) {
        shard_.senders[p].erase(lane);
        shard_.lanes[p].scores.erase(lane);
        return taken;
      }
      const int64_t share = share_of(want - taken, senders.size());
      for (const std::string& sender : senders) {
        const int64_t asked = std::min(share, want - taken);
        if (asked <= 0 || pops_ <= 0) break;
        const auto [kept, popped] = take_sender({kPriorities[p], lane, sender}, asked);
        taken += kept;
        if (popped < asked) {
          active.scores.erase(sender);
        } else {
          active.scores[sender] += popped;
        }
      }
    }
    if (taken > 0) shard_.lanes[p].scores[lane] += taken;
    return taken;
  }

  std::vector<std::string> open_lanes(size_t p) const {
    std::vector<std::string> open;
    if (request_.closed_priorities[p]) return open;
    for (auto& lane : shard_.lanes[p].least_first())
      if (!closed_.contains(lane)) open.push_back(std::move(lane));
    if (open.size() > kLookMax) open.resize(kLookMax);
    return open;
  }

  int64_t take(size_t p, int64_t want) {
    int64_t taken = 0;
    while (taken < want && pops_ > 0) {
      const auto lanes = open_lanes(p);
      if (lanes.empty()) break;
      const int64_t share = share_of(want - taken, lanes.size());
      for (const std::string& lane : lanes) {
        const int64_t asked = std::min(share, want - taken);
        if (asked <= 0 || pops_ <= 0) break;
        taken += take_lane(p, lane, asked);
      }
    }
    return taken;
  }

  void share_out(int64_t want) {
    std::array<bool, 4> waiting{};
    size_t waiting_count = 0, last = 0;
    for (size_t p = 0; p < 4; p++)
      if (!open_lanes(p).empty()) {
        waiting[p] = true;
        waiting_count++;
        last = p;
      }
    auto& turns = shard_.turns;
    if (waiting_count < 2) {
      turns = {};
      if (waiting_count == 1) take(last, want);
      return;
    }
    for (size_t p = 0; p < 4; p++)
      if (!waiting[p] || turns[p].served_ms < 0) turns[p] = {waiting[p] ? turns[p].credit : 0, now_ms_};
    int64_t left = want;
    const auto spend = [&](size_t p, int64_t asked) {
      const int64_t got = take(p, asked);
      left -= got;
      turns[p].credit -= static_cast<double>(got);
      if (got > 0) turns[p].served_ms = now_ms_;
      if (got < asked) {
        waiting[p] = false;
        turns[p] = {0, now_ms_};
      }
    };
    for (size_t p = 4; p-- > 0;)
      if (waiting[p] && left > 0 && now_ms_ - turns[p].served_ms >= options_.aging_ms)
        spend(p, std::min(left, std::max<int64_t>(1, want / 16)));
    while (left > 0 && pops_ > 0) {
      int64_t total = 0;
      for (size_t p = 0; p < 4; p++)
        if (waiting[p]) total += weight(p);
      if (total == 0) break;
      const int64_t begin = left;
      for (size_t p = 0; p < 4; p++)
        if (waiting[p]) turns[p].credit += static_cast<double>(begin * weight(p)) / static_cast<double>(total);
      size_t richest = 4;
      for (size_t p = 0; p < 4; p++) {
        const auto asked = std::min(left, static_cast<int64_t>(std::floor(turns[p].credit + 1e-6)));
        if (waiting[p] && asked > 0) spend(p, asked);
        if (waiting[p] && (richest == 4 || turns[p].credit > turns[richest].credit)) richest = p;
      }
      if (left == begin && richest < 4) spend(richest, 1);
    }
    for (auto& turn : turns) turn.credit = std::clamp(turn.credit, -kCreditMax, kCreditMax);
  }

  int64_t weight(size_t p) const { return std::max(1, options_.weights[p]); }
  static int64_t share_of(int64_t want, size_t among) {
    const auto count = static_cast<int64_t>(among);
    return (want + count - 1) / count;
  }

  Shard& shard_;
  const ClaimRequest& request_;
  const QueueOptions& options_;
  const int64_t now_ms_;
  const std::set<std::string> closed_;
  const bool is_all_open_;
  std::vector<Claimed> taken_;
  int pops_ = kPopMax;
};

}  // namespace

// the server ------------------------------------------------------------------------------------------------------

void MemoryQueueServer::Active::add(const std::string& member) {
  if (scores.contains(member)) return;
  int64_t least = 0;
  if (!scores.empty()) {
    const auto first = std::min_element(scores.begin(), scores.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    least = first->second;
  }
  scores.emplace(member, least);
}

std::vector<std::string> MemoryQueueServer::Active::least_first() const {
  std::vector<std::pair<int64_t, std::string>> sorted;
  sorted.reserve(scores.size());
  for (const auto& [member, score] : scores) sorted.emplace_back(score, member);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> members;
  members.reserve(sorted.size());
  for (auto& [score, member] : sorted) members.push_back(std::move(member));
  return members;
}

void MemoryQueueServer::Due::put(const Uuid& id, int64_t ms) {
  remove(id);
  ms_of.emplace(id, ms);
  by_ms.emplace(ms, id);
}

bool MemoryQueueServer::Due::remove(const Uuid& id) {
  const auto found = ms_of.find(id);
  if (found == ms_of.end()) return false;
  by_ms.erase({found->second, id});
  ms_of.erase(found);
  return true;
}

std::vector<Uuid> MemoryQueueServer::Due::take_until(int64_t ms, size_t count_max) {
  std::vector<Uuid> ids;
  while (ids.size() < count_max && !by_ms.empty() && by_ms.begin()->first <= ms) {
    ids.push_back(by_ms.begin()->second);
    remove(ids.back());
  }
  return ids;
}

void MemoryQueueServer::set_up(bool is_up) {
  if (is_up == is_up_) return;
  is_up_ = is_up;
  for (MemoryQueue* queue : queues_)
    queue->post([queue, is_up] {
      if (queue->changed_) queue->changed_(is_up);
    });
}

void MemoryQueueServer::flush() {
  *shards_ = {};
  buckets_.clear();
}

// the queue -------------------------------------------------------------------------------------------------------

MemoryQueue::MemoryQueue(MemoryQueueServer& server, const Clock& clock, Post post, QueueOptions options)
    : server_(server), clock_(clock), post_(std::move(post)), options_(std::move(options)) {
  SIGNET_CHECK(!options_.owner.empty() && options_.owner.find('@') == std::string::npos);
  server_.queues_.push_back(this);
}

MemoryQueue::~MemoryQueue() {
  *is_alive_ = false;
  std::erase(server_.queues_, this);
}

void MemoryQueue::post(std::function<void()> action) {
  post_([is_alive = is_alive_, action = std::move(action)] {
    if (*is_alive) action();
  });
}

template <class T>
void MemoryQueue::answer(std::function<void(Result<T>)> done, Result<T> result) {
  post([done = std::move(done), result = std::move(result)] { done(result); });
}

template <class T>
bool MemoryQueue::is_refused(const std::function<void(Result<T>)>& done) {
  if (server_.is_up()) return false;
  answer<T>(done, Error{ErrorCode::unavailable, "the queue in memory is down"});
  return true;
}

bool MemoryQueue::offer_one(const Hint& hint) {
  Shard& at = shard(shard_of(hint.id));
  const HintList list{hint.priority, hint.lane, hint.sender};
  const std::string name = list_name(hint);
  const size_t p = index_of(hint.priority);
  if (is_full(at, p, hint.lane)) return false;
  if (const auto own = at.own.find(hint.id); own != at.own.end()) {
    if (own->second.list == name) return false;
    if (!own->second.leased_by.empty()) {
      at.lease.remove(hint.id);
    } else if (at.sched.remove(hint.id)) {
      count(at, *parse_list_name(own->second.list), -1);
    }
  }
  at.own[hint.id] = {name, ""};
  count(at, list, 1);
  if (hint.due_at <= clock_.wall()) {
    at.lists[name].push_back(hint.id);
    activate(at, list);
  } else {
    at.sched.put(hint.id, due_ms_of(hint.due_at));
  }
  return true;
}

void MemoryQueue::offer(std::vector<Hint> hints, std::function<void(Result<OfferReply>)> done) {
  if (is_refused(done)) return;
  for (const Hint& hint : hints)
    if (const auto valid = check_hint(hint); !valid) return answer<OfferReply>(std::move(done), valid.error());
  std::set<int> shards, rings;
  std::set<FullLane> lanes;
  OfferReply reply;
  for (const Hint& hint : hints) {
    shards.insert(shard_of(hint.id));
    lanes.insert({shard_of(hint.id), hint.priority, hint.lane});
    if (hint.due_at <= clock_.wall()) rings.insert(shard_of(hint.id));
    if (offer_one(hint)) reply.taken++;
  }
  for (const int number : shards) shard(number).stamp++;
  for (const auto& lane : lanes)
    if (is_full(shard(lane.shard), index_of(lane.priority), lane.lane)) reply.full.push_back(lane);
  answer<OfferReply>(std::move(done), std::move(reply));
  for (MemoryQueue* queue : server_.queues_)
    for (const int number : rings)
      queue->post([queue, number] {
        if (queue->rung_) queue->rung_(number);
      });
}

void MemoryQueue::claim(const ClaimRequest& request, std::function<void(Result<std::vector<Claimed>>)> done) {
  SIGNET_CHECK(request.count_max >= 1 && request.count_max <= 256);
  SIGNET_CHECK(request.shard >= 0 && request.shard < kShards);
  if (is_refused(done)) return;
  answer<std::vector<Claimed>>(std::move(done), Claim(shard(request.shard), request, options_, now_ms()).run());
}

MemoryQueueServer::Own* MemoryQueue::held(const Uuid& id) {
  auto& own = shard(shard_of(id)).own;
  const auto found = own.find(id);
  return found != own.end() && found->second.leased_by == options_.owner ? &found->second : nullptr;
}

void MemoryQueue::ack(const std::vector<Uuid>& ids, std::function<void(Result<int64_t>)> done) {
  if (is_refused(done)) return;
  int64_t count = 0;
  for (const Uuid& id : ids) {
    if (held(id) == nullptr) continue;
    Shard& at = shard(shard_of(id));
    at.own.erase(id);
    at.lease.remove(id);
    count++;
  }
  answer<int64_t>(std::move(done), count);
}

void MemoryQueue::nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids,
                          std::function<void(Result<int64_t>)> done) {
  if (is_refused(done)) return;
  int64_t nacked = 0;
  for (const auto& [id, due_at] : ids) {
    MemoryQueueServer::Own* own = held(id);
    if (own == nullptr) continue;
    Shard& at = shard(shard_of(id));
    own->leased_by.clear();
    at.lease.remove(id);
    at.sched.put(id, due_ms_of(due_at));
    count(at, *parse_list_name(own->list), 1);
    nacked++;
  }
  answer<int64_t>(std::move(done), nacked);
}

void MemoryQueue::renew(const std::vector<Uuid>& ids, int64_t lease_ms, std::function<void(Result<int64_t>)> done) {
  if (is_refused(done)) return;
  int64_t renewed = 0;
  for (const Uuid& id : ids) {
    if (held(id) == nullptr) continue;
    shard(shard_of(id)).lease.put(id, now_ms() + lease_ms);
    renewed++;
  }
  answer<int64_t>(std::move(done), renewed);
}

void MemoryQueue::sweep(int number, std::function<void(Result<int64_t>)> done) {
  if (is_refused(done)) return;
  Shard& at = shard(number);
  const size_t moved = promote(at, now_ms()) + lapse(at, now_ms());
  answer<int64_t>(std::move(done), static_cast<int64_t>(moved));
}

void MemoryQueue::inspect(int number, std::function<void(Result<ShardReport>)> done) {
  if (is_refused(done)) return;
  const Shard& at = shard(number);
  ShardReport report{at.stamp, 0, static_cast<int64_t>(at.lease.ms_of.size())};
  for (const int64_t waiting : at.count_of_priority) report.waiting += waiting;
  answer<ShardReport>(std::move(done), report);
}

void MemoryQueue::clear(int number, std::function<void(Result<void>)> done) {
  if (is_refused(done)) return;
  shard(number) = {};
  answer<void>(std::move(done), {});
}

void MemoryQueue::lease_tokens(const std::string& provider, double rate_per_s, double burst, int want,
                               std::function<void(Result<TokenLease>)> done) {
  SIGNET_CHECK(rate_per_s > 0 && burst >= 1 && want >= 1);
  if (is_refused(done)) return;
  const int64_t now_us = clock_.wall().us;
  const auto bucket = server_.buckets_.try_emplace(provider, tat_of_one_token(now_us, rate_per_s, burst)).first;
  answer<TokenLease>(std::move(done), lease_from(bucket->second, now_us, rate_per_s, burst, want));
}

}  // namespace signet
