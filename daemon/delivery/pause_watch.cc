#include "daemon/delivery/pause_watch.h"

#include <algorithm>
#include <map>

#include "store/pauses.h"

namespace signet {
namespace {

constexpr int64_t kWriteEveryUs = 2'000'000;
constexpr int64_t kForgetAfterMs = 600'000;

}  // namespace

bool PauseWatch::pass() {
  if (!session_ || !session_->is_usable()) {
    auto opened = PgSession::open(postgres_);
    if (!opened) return false;
    session_ = std::move(*opened);
  }
  auto pauses = read_pauses(*session_);
  if (!pauses) return false;
  if (told_ != *pauses) {
    tell_(*pauses);
    told_ = std::move(*pauses);
  }
  const Tick now = clock_.tick();
  if (written_at_ && now.us - written_at_->us < kWriteEveryUs) return false;
  written_at_ = now;
  // What could not be written is written in two seconds; nothing waits for it.
  (void)write_health(*session_, instance_, by_provider(health_()), kForgetAfterMs);
  return false;
}

std::vector<ProviderHealth> by_provider(const std::vector<ProviderHealth>& of_loops) {
  std::map<std::string, ProviderHealth> all;
  for (const auto& one : of_loops) {
    const auto [at, is_first] = all.emplace(one.provider, one);
    if (is_first) continue;
    ProviderHealth& sum = at->second;
    sum.in_use += one.in_use;
    sum.in_flight += one.in_flight;
    sum.paused_until = std::max(sum.paused_until, one.paused_until);
  }
  std::vector<ProviderHealth> out;
  for (auto& [name, row] : all) out.push_back(std::move(row));
  return out;
}

}  // namespace signet
