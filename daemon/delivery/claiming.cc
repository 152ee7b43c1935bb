// Delivery, how it comes by its messages: hints out of Redis, or rows out of `due` while that is away.
#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "daemon/delivery/delivery.h"

namespace signet {
namespace {

constexpr int kClaimsMax = 4;     // under way at once: one fills the window while another travels
constexpr int kExpressPart = 16;  // an express claim takes at most this part of the window

}  // namespace

void Delivery::claim() {
  // Fail closed: no permits, or no place for their results, so nothing to claim for.
  if (is_stopping_ || is_silent_ || !parts_.journal.is_up() || parts_.spool.is_full()) return;
  if (!parts_.queue.is_up()) return claim_without_redis();
  claim_express();
  while (claims_under_way_ < kClaimsMax && room_.for_all() >= settings_.batch) {
    const auto shard = dispatcher_.next();
    if (!shard) return;
    start_claim(claim_of(*shard, settings_.batch), false);
  }
}

// Over all shards that may have some, before anything else: critical. Where the room for all is used up, what the rest
// of it is kept for: critical and high, and lanes other than the one that has its share.
void Delivery::claim_express() {
  const int count = std::clamp(settings_.window / kExpressPart, 1, settings_.batch);
  const auto has_room_for_others = [this, count] { return room_.for_others() >= 2 * count; };
  if (has_room_for_others()) dispatcher_.wake_passed_over();
  while (express_under_way_ < kClaimsMax && room_.for_urgent() >= count) {
    const auto shard = dispatcher_.next_express();
    if (!shard) return;
    ClaimRequest urgent = claim_of(*shard, count);
    if (room_.for_all() >= settings_.batch) {
      urgent.critical_only = true;
    } else {
      urgent.closed_priorities[2] = urgent.closed_priorities[3] = true;
      if (const std::string* lane = room_.lane_over_share(); lane && has_room_for_others()) {
        ClaimRequest others = claim_of(*shard, count);
        others.closed_lanes.push_back(*lane);
        start_claim(std::move(others), true);
      } else if (lane) {
        dispatcher_.pass_over(*shard);
      }
    }
    start_claim(std::move(urgent), true);
  }
}

ClaimRequest Delivery::claim_of(int shard, int count_max) const {
  ClaimRequest out;
  out.shard = shard;
  out.count_max = count_max;
  out.closed_lanes = admit_.closed_lanes(parts_.clock.tick());
  out.closed_priorities = admit_.closed_priorities();
  out.lease_ms = settings_.lease_ms;
  return out;
}

void Delivery::start_claim(ClaimRequest request, bool is_express) {
  int& under_way = is_express ? express_under_way_ : claims_under_way_;
  under_way++;
  room_.reserve(request.count_max);
  parts_.queue.claim(request, [this, shard = request.shard, reserved = request.count_max, is_express, &under_way,
                               alive = std::weak_ptr(alive_)](Result<std::vector<Claimed>> claimed) {
    if (alive.expired()) return;
    under_way--;
    room_.reserve(-reserved);
    if (!claimed) return;  // on_change says that it is away
    const int count = static_cast<int>(claimed->size());
    if (!is_express)
      dispatcher_.claimed(shard, count);
    else if (count == reserved)
      dispatcher_.wake_express(shard);
    parts_.metrics.add("signet_claimed_total", "", count);
    if (count > 0) SIGNET_CRASH_POINT(claim_answered);
    for (auto& hint : *claimed) take_claimed(hint.id, hint.priority, std::move(hint.lane), "", "");
  });
}

void Delivery::claim_without_redis() {
  if (claims_under_way_ > 0 || !is_table_wanted_ || !parts_.journal.has_room()) return;
  DueQuery query;
  query.closed_priorities = admit_.closed_priorities();
  query.count_max = std::min(settings_.batch, room_.for_all());
  if (query.count_max == 0) {
    query.closed_priorities[2] = query.closed_priorities[3] = true;
    query.count_max = std::min(settings_.batch, room_.for_urgent());
  }
  if (query.count_max <= 0) return;
  for (int i = 0; i < kShards; i++)
    if (const int shard = (first_shard_ + i) % kShards; shard % settings_.loops == settings_.loop)
      query.shards.push_back(shard);
  const auto closed = admit_.closed_lanes(parts_.clock.tick());
  for (auto& lane : parts_.routes.lanes())
    if (std::find(closed.begin(), closed.end(), lane) == closed.end()) query.lanes.push_back(std::move(lane));
  query.held = sorted_ids(
      [](const Flight& flight) { return !flight.has_outcome && flight.permit.verdict != PermitVerdict::granted; });
  is_table_wanted_ = false;
  claims_under_way_++;
  room_.reserve(query.count_max);
  parts_.journal.claim_due(std::move(query), [this, reserved = query.count_max,
                                              alive = std::weak_ptr(alive_)](Result<std::vector<DueClaim>> due) {
    if (alive.expired()) return;
    claims_under_way_--;
    room_.reserve(-reserved);
    if (!due) return;
    heard_at_ = parts_.clock.tick();
    is_table_wanted_ = static_cast<int>(due->size()) == reserved;
    if (!due->empty()) SIGNET_CRASH_POINT(due_claimed);
    for (auto& row : *due)
      take_claimed(row.id, row.priority, std::move(row.lane), std::move(row.pinned_provider), std::move(row.avoid));
  });
}

void Delivery::take_claimed(const Uuid& id, Priority priority, std::string lane, std::string pinned,
                            std::string avoid) {
  if (Flight* flight = find(id)) {  // a lapsed lease, or what was given back, came to us again
    flight->is_look = flight->is_given_back = false;
    return;
  }
  Flight& flight = add_flight(id, std::move(lane));
  flight.priority = priority;
  flight.pinned_provider = std::move(pinned);
  flight.avoid = std::move(avoid);
  if (is_stopping_ || is_silent_) return finish(id, server_now());
  wait_for_admission(flight);
}

}  // namespace signet
