#include "daemon/api/throttled.h"

namespace signet::api {
namespace {

constexpr int64_t kEveryUs = 60'000'000;
constexpr size_t kCallersMax = 10'000;  // beyond, all count as one

Event with_count(Event event, int64_t count) {
  event.detail.emplace_back("count", count);
  return event;
}

}  // namespace

std::optional<Event> Throttled::count(const std::string& who, Event event, Tick now) {
  std::lock_guard guard(lock_);
  const bool is_full = counted_.size() >= kCallersMax && !counted_.contains(who);
  const auto [at, is_new] = counted_.try_emplace(is_full ? "" : who, Counted{now, 0, {}});
  Counted& counted = at->second;
  if (!is_new && now.us - counted.since.us < kEveryUs) {
    counted.count++;
    counted.last = std::move(event);
    return std::nullopt;
  }
  event = with_count(std::move(event), counted.count + 1);
  counted = {now, 0, {}};
  return event;
}

std::vector<Event> Throttled::overdue(Tick now) {
  std::vector<Event> out;
  std::lock_guard guard(lock_);
  for (auto at = counted_.begin(); at != counted_.end();) {
    Counted& counted = at->second;
    if (now.us - counted.since.us < kEveryUs) {
      ++at;
      continue;
    }
    if (counted.count > 0) out.push_back(with_count(std::move(counted.last), counted.count));
    at = counted_.erase(at);
  }
  return out;
}

}  // namespace signet::api
