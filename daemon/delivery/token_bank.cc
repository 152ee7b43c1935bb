#include "daemon/delivery/token_bank.h"

#include <algorithm>
#include <cmath>

#include "queue/rate.h"

namespace signet {
namespace {

constexpr double kChunkS = 0.05;     // how much of the rate is leased at once
constexpr int64_t kVoidUs = 100000;  // what was not spent by then is not spent any more
// What may be between admission and first byte beyond the tokens at hand: as much as this daemon's part of the rate
// gives in the time that a permit's COMMIT may take. Not more: what has a permit when a daemon dies stands in doubt. A
// slow provider gives none: there a token must be at hand.
constexpr double kAheadS = 0.2;
constexpr int64_t kAskEveryUs = 1000;  // at most
constexpr int64_t kAskedUs = 2000;     // until somebody else's answer is there
constexpr int kChunkMax = 10000;       // as Queue::lease_tokens takes

}  // namespace

TokenBank::TokenBank(const std::map<std::string, ProviderRate>& rates) {
  for (const auto& [name, rate] : rates) {
    if (rate.rate_per_s <= 0) continue;
    Purse& purse = purses_[name];
    purse.rate = {rate.rate_per_s, std::max(1.0, rate.burst)};
    purse.chunk = std::clamp(static_cast<int>(std::ceil(rate.rate_per_s * kChunkS)), 1, kChunkMax);
  }
}

TokenBank::Purse* TokenBank::find(const std::string& provider) {
  const auto found = purses_.find(provider);
  return found == purses_.end() ? nullptr : &found->second;
}

const TokenBank::Purse* TokenBank::find(const std::string& provider) const {
  const auto found = purses_.find(provider);
  return found == purses_.end() ? nullptr : &found->second;
}

int TokenBank::in_hand(Purse& purse, Tick now) {
  std::erase_if(purse.held, [now](const Chunk& chunk) { return chunk.left == 0 || now >= chunk.void_at; });
  int sum = 0;
  for (const auto& chunk : purse.held) sum += chunk.left;
  return sum;
}

bool TokenBank::reserve(const std::string& provider, bool has_head_start, Tick now) {
  std::lock_guard guard(lock_);
  Purse* purse = find(provider);
  if (!purse) return true;
  const auto ahead = static_cast<int>(purse->rate.rate_per_s * kAheadS / live_daemons_);
  const int room = in_hand(*purse, now) + (has_head_start ? 2 * ahead : ahead);
  if (purse->reserved >= room) return false;
  purse->reserved++;
  return true;
}

void TokenBank::unreserve(const std::string& provider) {
  std::lock_guard guard(lock_);
  if (Purse* purse = find(provider); purse && purse->reserved > 0) purse->reserved--;
}

bool TokenBank::spend(const std::string& provider, Tick now) {
  std::lock_guard guard(lock_);
  Purse* purse = find(provider);
  if (!purse) return true;
  if (in_hand(*purse, now) == 0) return false;
  purse->held.front().left--;
  if (purse->reserved > 0) purse->reserved--;
  return true;
}

Tick TokenBank::again_at(const std::string& provider, Tick now) const {
  std::lock_guard guard(lock_);
  const Purse* purse = find(provider);
  if (!purse) return now;
  if (purse->is_asked) return {now.us + kAskedUs};
  return std::max(purse->next_ask, Tick{now.us + kAskEveryUs});
}

std::optional<TokenWish> TokenBank::wanted(const std::string& provider, Tick now) {
  std::lock_guard guard(lock_);
  Purse* purse = find(provider);
  if (!purse || purse->is_asked || now < purse->next_ask) return std::nullopt;
  const int held = in_hand(*purse, now);
  if (held >= purse->chunk) return std::nullopt;
  purse->is_asked = true;
  // As many as wait, and one for who asks now: what nobody spends is lost to all daemons.
  return TokenWish{purse->rate, std::clamp(purse->reserved + 1 - held, 1, purse->chunk - held)};
}

void TokenBank::put(Purse& purse, const TokenLease& lease, Tick now) const {
  purse.is_asked = false;
  purse.next_ask = {now.us + std::max(lease.wait_us, kAskEveryUs)};
  if (lease.count > 0) purse.held.push_back({lease.count, {now.us + kVoidUs}});
}

void TokenBank::leased(const std::string& provider, const TokenLease& lease, Tick now) {
  std::lock_guard guard(lock_);
  Purse* purse = find(provider);
  if (!purse) return;
  purse->own_tat_us.reset();
  put(*purse, lease, now);
}

void TokenBank::refused(const std::string& provider, Tick now) {
  std::lock_guard guard(lock_);
  Purse* purse = find(provider);
  if (!purse) return;
  const ProviderRate own{purse->rate.rate_per_s / live_daemons_, std::max(1.0, purse->rate.burst / live_daemons_)};
  // Begins with one token: the burst may just have been spent out of the shared bucket.
  if (!purse->own_tat_us) purse->own_tat_us = tat_of_one_token(now.us, own.rate_per_s, own.burst);
  const int held = in_hand(*purse, now);
  put(*purse,
      lease_from(*purse->own_tat_us, now.us, own.rate_per_s, own.burst,
                 std::clamp(purse->reserved + 1 - held, 0, purse->chunk - held)),
      now);
}

void TokenBank::set_live_daemons(int count) {
  std::lock_guard guard(lock_);
  live_daemons_ = std::max(1, count);
}

}  // namespace signet
