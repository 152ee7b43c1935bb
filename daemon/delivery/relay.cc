#include "daemon/delivery/relay.h"

#include <utility>

namespace signet {
namespace {

constexpr int kPage = 1000;
constexpr int kShardHintsMax = 65536;             // four priorities of 16,384: more does not fit a shard anyway
constexpr int64_t kAheadUs = 120 * 1000000LL;     // what is due within this time is offered
constexpr int64_t kScanEveryUs = 20 * 1000000LL;  // design: within 60 s, so that one lost hint comes back

}  // namespace

bool Relay::has_session() {
  if (session_ && session_->is_usable()) return true;
  auto opened = PgSession::open(postgres_);
  session_ = opened ? std::move(*opened) : nullptr;
  return session_ != nullptr;
}

bool Relay::pass() {
  if (!has_session()) return false;  // the journal says that it is away
  if (!look_for_losses()) return false;
  const Tick now = clock_.tick();
  const bool is_all = is_all_wanted_.exchange(false);
  if (!is_all && now.us - scanned_at_.us < kScanEveryUs) return false;
  auto shards = shards_with_due(*session_, {clock_.wall().us + kAheadUs});
  if (!shards) {
    if (is_all) is_all_wanted_ = true;
    return false;
  }
  for (const int shard : *shards)
    if (!refill(shard)) {
      is_all_wanted_ = true;
      return false;
    }
  scanned_at_ = now;
  return false;
}

// FLUSHALL, a failover to an older copy, a restart without its file: the stamp is gone or lower than it was.
bool Relay::look_for_losses() {
  for (int shard = 0; shard < kShards; shard++) {
    auto& highest = stamps_[static_cast<size_t>(shard)];
    auto report = door_.inspect(shard);
    if (!report) return false;
    if (report->stamp >= highest) {
      highest = report->stamp;
      continue;
    }
    log_.warn("Redis lost a shard's hints; they are offered again from PostgreSQL", {{"shard", std::to_string(shard)}});
    highest = 0;
    if (!door_.clear(shard).ok() || !refill(shard)) {
      is_all_wanted_ = true;
      return false;
    }
  }
  return true;
}

bool Relay::refill(int shard) {
  std::optional<ScanCursor> cursor;
  for (int offered = 0; offered < kShardHintsMax;) {
    auto rows = scan_due(*session_, shard, {clock_.wall().us + kAheadUs}, cursor, kPage);
    if (!rows) return false;
    if (rows->empty()) return true;
    std::vector<Hint> hints;
    hints.reserve(rows->size());
    for (auto& row : *rows) hints.push_back({row.message_id, row.priority, row.lane, row.sender, row.due_at});
    const auto& last = rows->back();
    cursor = ScanCursor{static_cast<int16_t>(last.priority), last.lane, last.due_at, last.message_id};
    offered += static_cast<int>(rows->size());
    const size_t count = rows->size();
    if (!door_.offer(std::move(hints)).ok()) return false;
    if (count < kPage) return true;
  }
  return true;
}

}  // namespace signet
