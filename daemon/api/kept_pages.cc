#include "daemon/api/kept_pages.h"

#include <algorithm>

namespace signet::api {
namespace {

constexpr size_t kPagesMax = 64;
constexpr size_t kPageMax = 64 * 1024;  // octets
constexpr int kComingMax = 2;           // of this many handlers at a time the threads are
constexpr int64_t kTimeoutMs = 5000;
constexpr int64_t kKeptUs = 24 * 3600 * 1'000'000LL, kAbsentUs = 60 * 1'000'000LL, kFailedUs = 5 * 1'000'000LL;

Error unavailable(std::string text) { return {ErrorCode::unavailable, std::move(text)}; }

}  // namespace

Result<std::string> KeptPages::get(const std::string& url) {
  std::unique_lock guard(lock_);
  auto found = pages_.find(url);
  if (found != pages_.end() && found->second.is_coming) {
    came_.wait(guard, [&] {
      found = pages_.find(url);
      return found == pages_.end() || !found->second.is_coming;
    });
  }
  if (found != pages_.end() && clock_.tick() < found->second.until) return found->second.body;
  if (coming_ >= kComingMax) return unavailable("others are being got");
  make_room();
  pages_[url].is_coming = true;
  coming_++;
  guard.unlock();
  Page page = fetch(url);
  guard.lock();
  coming_--;
  const auto body = page.body;
  pages_[url] = std::move(page);
  came_.notify_all();
  return body;
}

KeptPages::Page KeptPages::fetch(const std::string& url) const {
  HttpCall call;
  call.method = "GET";
  call.url = url;
  call.timeout_ms = kTimeoutMs;
  const auto reply = call_ ? call_(call) : Result<HttpReply>(unavailable("nobody can be called"));
  const Tick now = clock_.tick();
  if (!reply && reply.error().code != ErrorCode::limit) return {unavailable(reply.error().text), {now.us + kFailedUs}};
  if (reply && reply->status >= 500) return {unavailable("the server failed"), {now.us + kFailedUs}};
  if (!reply || reply->status != 200 || reply->body.size() > kPageMax)
    return {Error{ErrorCode::not_found, "the server does not have it"}, {now.us + kAbsentUs}};
  return {reply->body, {now.us + kKeptUs}};
}

// The one that would go first goes now; those that are coming stay.
void KeptPages::make_room() {
  if (pages_.size() < kPagesMax) return;
  auto first = pages_.end();
  for (auto page = pages_.begin(); page != pages_.end(); ++page)
    if (!page->second.is_coming && (first == pages_.end() || page->second.until < first->second.until)) first = page;
  if (first != pages_.end()) pages_.erase(first);
}

}  // namespace signet::api
