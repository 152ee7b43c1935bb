#include "daemon/delivery/relay.h"

#include <algorithm>
#include <utility>

#include "audit/attempt.h"
#include "base/crash_point.h"
#include "daemon/evidence/entry_of.h"

namespace signet {
namespace {

// Between the moment that a transaction writes as a row's due time and its COMMIT.
constexpr int64_t kCommitMs = 5000;

bool is_urgent(Priority priority) { return priority == Priority::critical || priority == Priority::high; }

}  // namespace

bool Relay::pass() {
  if (!leads()) return false;
  if (look_for_losses() && begin_round()) (void)(offer_wanted() && see_stamps());
  SIGNET_CRASH_POINT(stamps_unrecorded);
  if (stamps_ != recorded_) {
    if (!store_.record_stamps(stamps_).ok()) return false;
    recorded_ = stamps_;
  }
  look_at_stale();
  return false;
}

bool Relay::leads() {
  const auto held = store_.lead(Elected::relay);
  const bool is_ours = held && *held;
  metrics_.set("signet_relay_leader", "", is_ours);
  if (!is_ours) {
    is_leading_ = false;
    return false;
  }
  if (is_leading_) return true;
  auto recorded = store_.stamps();
  if (!recorded) return false;
  stamps_ = recorded_ = *recorded;
  wanted_.clear();
  full_.clear();
  is_all_wanted_ = true;
  passed_at_.reset();
  is_leading_ = true;
  log_.info("this daemon relays");
  SIGNET_CRASH_POINT(place_won);
  return true;
}

// FLUSHALL, a failover to an older copy, a restart without its file: the stamp is gone or lower than it was.
bool Relay::look_for_losses() {
  for (int shard = 0; shard < kShards; shard++) {
    auto& highest = stamps_[static_cast<size_t>(shard)];
    auto report = door_.inspect(shard);
    if (!report) {
      is_all_wanted_ = true;
      return false;
    }
    waiting_[static_cast<size_t>(shard)] = report->waiting;
    if (report->stamp >= highest) {
      highest = report->stamp;
      continue;
    }
    log_.warn("Redis lost a shard's hints; they are offered again from PostgreSQL", {{"shard", std::to_string(shard)}});
    is_all_wanted_ = true;
    if (!door_.clear(shard).ok()) return false;
    SIGNET_CRASH_POINT(shard_cleared);
    highest = 0;
    waiting_[static_cast<size_t>(shard)] = 0;
  }
  return true;
}

// What was offered in this pass has raised stamps: a loss of it is seen only by who knows how far they were.
bool Relay::see_stamps() {
  for (const int shard : std::exchange(touched_, {})) {
    auto report = door_.inspect(shard);
    if (!report) return false;
    auto& highest = stamps_[static_cast<size_t>(shard)];
    highest = std::max(highest, report->stamp);  // a lower one is for look_for_losses()
  }
  return true;
}

bool Relay::begin_round() {
  const Tick now = clock_.tick();
  if (is_all_wanted_ || now.us - round_began_.us >= settings_.round_ms * 1000) {
    auto lanes = store_.due_lanes(settings_.ahead_ms);
    if (!lanes) return false;
    is_all_wanted_ = false;
    round_began_ = now;
    wanted_.clear();
    full_.clear();
    for (auto& lane : *lanes) wanted_[std::move(lane)] = {{settings_.ahead_ms, {}}, {}};
  } else if (!want_fresh()) {
    return false;
  }
  passed_at_ = clock_.tick();
  for (auto it = full_.begin(); it != full_.end();) {
    if (waiting_[static_cast<size_t>(it->first.shard)] > it->second) {
      ++it;
      continue;
    }
    wanted_[it->first] = {{settings_.ahead_ms, {}}, {}};
    it = full_.erase(it);
  }
  return true;
}

// What became due since the last pass: an approval whose daemon died before it told Redis, or found none, need not wait
// for the next round.
bool Relay::want_fresh() {
  if (!passed_at_) return true;
  auto lanes = store_.due_lanes(0);
  if (!lanes) return false;
  const int64_t since_ms = (clock_.tick().us - passed_at_->us) / 1000;
  for (auto& lane : *lanes)
    if (!full_.contains(lane)) wanted_.try_emplace(std::move(lane), Stretch{{0, since_ms + kCommitMs}, {}});
  return true;
}

// The map's order is the order of need: what is critical in any shard comes before all else.
bool Relay::offer_wanted() {
  int rows_left = settings_.rows_max;
  while (!wanted_.empty()) {
    const DueLane lane = wanted_.begin()->first;
    if (!is_urgent(lane.priority) && rows_left <= 0) return true;
    if (!offer_lane(lane, rows_left)) {
      is_all_wanted_ = true;
      return false;
    }
  }
  return true;
}

bool Relay::offer_lane(const DueLane& lane, int& rows_left) {
  auto& [span, cursor] = wanted_[lane];
  while (is_urgent(lane.priority) || rows_left > 0) {
    auto rows = store_.scan_due(lane, span, cursor, settings_.page);
    if (!rows) return false;
    std::vector<Hint> hints;
    for (const auto& row : *rows) {
      hints.push_back({row.message_id, row.priority, row.lane, row.sender, row.due_at});
      touched_.insert(shard_of(row.message_id));
    }
    if (!rows->empty()) cursor = DueCursor{rows->back().due_at, rows->back().message_id};
    if (!is_urgent(lane.priority)) rows_left -= static_cast<int>(rows->size());
    bool is_full = false;
    if (!hints.empty()) {
      SIGNET_CRASH_POINT(due_scanned);
      auto reply = door_.offer(std::move(hints));
      if (!reply) return false;
      auto& waiting = waiting_[static_cast<size_t>(lane.shard)];
      waiting += reply->taken;
      is_full = !reply->full.empty();
      if (is_full) full_[lane] = waiting / 2;
    }
    if (is_full || static_cast<int>(rows->size()) < settings_.page) {
      wanted_.erase(lane);
      return true;
    }
  }
  return true;
}

void Relay::look_at_stale() {
  auto stale = store_.stale_due(stale_after_, settings_.stale_slice, lanes_);
  if (!stale) return;
  std::vector<Uuid> others, repeats;
  for (const auto& row : stale->rows) (row.provider.empty() ? others : repeats).push_back(row.message_id);
  if (!others.empty()) door_.look(std::move(others));
  if (!repeats.empty() && !doubt_again(std::move(repeats))) return;
  stale_after_ = stale->last;
}

bool Relay::doubt_again(std::vector<Uuid> ids) {
  auto changed = store_.change(
      ids, [this](const MessageView& view) { return signet::doubt_again(view, ids_, settings_.instance); });
  if (changed) return true;
  if (changed.error().code == ErrorCode::unavailable) return false;
  if (ids.size() > 1) {  // one by one, so that a bad one holds up no other
    return std::all_of(ids.begin(), ids.end(), [this](const Uuid& id) { return doubt_again({id}); });
  }
  log_.warn("a repeat that comes too late could not be stopped; it is tried again",
            {{"message_id", ids[0].text()}, {"reason", changed.error().text}});
  return true;
}

std::optional<MessageChange> doubt_again(const MessageView& view, IdSource& ids, const std::string& instance) {
  const MessageRow& message = view.message;
  if (!view.due || view.due->provider.empty() || message.status != Status::queued) return std::nullopt;
  if (!view.due->send_until || *view.due->send_until > view.now) return std::nullopt;
  const int attempt_no = view.due->attempt_no;
  if (view.attempt(attempt_no) != nullptr) return std::nullopt;
  MessageChange change;
  change.void_attempt = VoidRow{attempt_no, instance, view.now};
  change.ends_due = true;
  Event event;
  event.id = ids.next();
  event.at = view.now;
  event.actor = {instance, "daemon", "", "", ""};
  event.action = "delivery_in_doubt";
  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(Status::in_doubt);
  event.reason_code = "key_lapsed";
  event.attempt_sha256 = void_sha256(message.id, attempt_no, instance, view.now);
  event.detail = {{"final", false}, {"void", static_cast<int64_t>(attempt_no)}};
  StatusChange& moved = change.status.emplace();
  moved.id = message.id;
  moved.status = Status::in_doubt;
  moved.before = message.head;
  moved.entry = entry_of(event, message.id);
  return change;
}

}  // namespace signet
