// Hints of what is due. A hint is no right to send: only a permit is (store/store.h). A queue may lose, repeat or
// reorder hints, and is refilled from PostgreSQL.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "message/message.h"

namespace signet {

constexpr int64_t kOfferAheadUs = 120 * 1000000LL;  // what is due later than this is not offered yet

struct Hint {
  Uuid id;
  Priority priority = Priority::normal;
  std::string lane;    // route class, e.g. "sms", "email"; [a-z0-9.-]+, never part of an address
  std::string sender;  // who sends: fairness among senders; [A-Za-z0-9-]+
  WallTime due_at;
};

struct Claimed {
  Uuid id;
  Priority priority = Priority::normal;
  std::string lane;
  std::string sender;
};

struct ClaimRequest {
  int shard = 0;
  int count_max = 256;  // at most 256, so that the script stays under 1 ms
  bool critical_only = false;
  std::vector<std::string> closed_lanes;    // not taken from
  std::array<bool, 4> closed_priorities{};  // likewise: critical, high, normal, bulk
  int64_t lease_ms = 30000;
};

struct FullLane {  // of a shard
  int shard = 0;
  Priority priority = Priority::normal;
  std::string lane;
  auto operator<=>(const FullLane&) const = default;
};

struct OfferReply {
  int64_t taken = 0;           // hints that were new to their list
  std::vector<FullLane> full;  // of those that were offered to: they take no more for now
  OfferReply& operator+=(const OfferReply& other) {
    taken += other.taken;
    full.insert(full.end(), other.full.begin(), other.full.end());
    return *this;
  }
};

struct TokenLease {
  int count = 0;        // may be sent; as few as 0
  int64_t wait_us = 0;  // until the shared bucket has the next one, by its own clock; 0: there is more now
};

struct ShardReport {
  int64_t stamp = 0;    // bumped by each batch of offers; 0: the shard is empty or was lost
  int64_t waiting = 0;  // entries in lists and schedule
  int64_t leased = 0;
};

struct QueueOptions {  // of every implementation
  std::string owner;   // the daemon's epoch: instance and boot id; without '@'. Leases are told apart by it
  std::array<int, 4> weights{8, 4, 2, 1};  // of critical, high, normal, bulk; at least 1
  int64_t aging_ms = 1000;                 // a priority with work, not served for so long while others were, goes first
};

// One queue object belongs to one loop; callbacks come on it, never inside the call. A callback gets `unavailable`
// when the server is not there. Ids given to one call may be of several shards.
class Queue {
 public:
  virtual ~Queue() = default;
  // Skips ids that are there already in the same list. At most 16,384 hints a shard and priority and 4,096 of them a
  // lane are taken; the reply says how many were, and which lanes are full.
  virtual void offer(std::vector<Hint> hints, std::function<void(Result<OfferReply>)> done) = 0;
  // Hands out due hints of one shard under a lease: weighted deficit round robin over priorities, least busy sender
  // first. A lapsed lease is claimed again.
  virtual void claim(const ClaimRequest& request, std::function<void(Result<std::vector<Claimed>>)> done) = 0;
  // These three act only where this owner still holds the lease; the reply counts how many did.
  virtual void ack(const std::vector<Uuid>& ids, std::function<void(Result<int64_t>)> done) = 0;
  virtual void nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids,
                       std::function<void(Result<int64_t>)> done) = 0;
  virtual void renew(const std::vector<Uuid>& ids, int64_t lease_ms, std::function<void(Result<int64_t>)> done) = 0;
  // Puts lapsed leases and promoted schedule back into their lists; the reply counts them.
  virtual void sweep(int shard, std::function<void(Result<int64_t>)> done) = 0;
  // How many hints wait (lists and schedule) in a shard, and its stamp. A stamp below the last one seen means that
  // the shard was lost or rolled back: clear() it and offer anew.
  virtual void inspect(int shard, std::function<void(Result<ShardReport>)> done) = 0;
  virtual void clear(int shard, std::function<void(Result<void>)> done) = 0;
  // Up to `want` (1 to 10,000) tokens out of the bucket that all daemons share for a provider: it gains rate_per_s and
  // holds `burst` at most, both above 0. A bucket that was never there, or was lost, begins with one token.
  virtual void lease_tokens(const std::string& provider, double rate_per_s, double burst, int want,
                            std::function<void(Result<TokenLease>)> done) = 0;
  virtual bool is_up() const = 0;
  // Called on this queue's loop when it goes up or down, and when another daemon rang for a shard (offers came).
  virtual void on_change(std::function<void(bool is_up)> changed) = 0;
  virtual void on_bell(std::function<void(int shard)> rung) = 0;
};

}  // namespace signet
