#include "store/place.h"

namespace signet {
namespace {

constexpr int64_t kAskAgainUs = 2'000'000;

}  // namespace

Result<bool> Place::take() {
  if (session_ && !session_->is_usable()) return Error{ErrorCode::unavailable, "the session to PostgreSQL was lost"};
  if (is_held_) return true;
  const Tick now = clock_.tick();
  if (asked_at_ && now.us - asked_at_->us < kAskAgainUs) return false;
  asked_at_ = now;
  if (!session_) {
    auto opened = PgSession::open(postgres_);
    if (!opened) return opened.error();
    session_ = std::move(*opened);
  }
  auto elected = take_place(*session_, what_);
  if (!elected) return elected.error();
  is_held_ = *elected;
  return is_held_;
}

void Place::leave() {
  session_.reset();
  is_held_ = false;
}

}  // namespace signet
