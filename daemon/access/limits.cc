#include "daemon/access/limits.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

constexpr int64_t kWindowUs = 60'000'000;
constexpr int64_t kRedisAgainUs = 2'000'000;  // after it failed: nobody waits for a slow one meanwhile
constexpr size_t kCallersMax = 100'000;
constexpr int64_t kSweepEveryUs = 1'000'000;
constexpr size_t kNetworkOctets = 8;

// Who has an IPv6 address has as many as they like: their network counts (RFC 6177 gives each site a /64 at least).
std::string network_of(const std::string& address) {
  char octets[16];
  if (inet_pton(AF_INET6, address.c_str(), octets) != 1) return address;
  return {octets, kNetworkOctets};
}

int64_t seconds(int64_t us) { return (us + 999'999) / 1'000'000; }

}  // namespace

std::string_view name(RateClass rate) {
  switch (rate) {
    case RateClass::none:
      return "none";
    case RateClass::read:
      return "read";
    case RateClass::write:
      return "write";
    case RateClass::approve:
      return "approve";
    case RateClass::export_evidence:
      return "export";
    case RateClass::log_in:
      return "log-in";
  }
  return "none";
}

int Quotas::of(RateClass rate) const {
  switch (rate) {
    case RateClass::read:
      return read;
    case RateClass::write:
      return write;
    case RateClass::approve:
      return approve;
    case RateClass::export_evidence:
      return export_evidence;
    case RateClass::log_in:
      return log_in;
    case RateClass::none:
      break;
  }
  return 0;
}

int64_t RateVerdict::retry_after_s() const { return std::max<int64_t>(1, seconds(answer.wait_us)); }

void RateVerdict::tell(http::Response& response) const {
  if (rate == RateClass::none) return;
  const std::string policy = '"' + std::string(name(rate)) + '"';
  response.headers.emplace_back("RateLimit-Policy", policy + ";q=" + std::to_string(quota) + ";w=60");
  response.headers.emplace_back(
      "RateLimit", policy + ";r=" + std::to_string(answer.remaining) + ";t=" + std::to_string(seconds(answer.full_us)));
  if (!answer.is_allowed) response.headers.emplace_back("Retry-After", std::to_string(retry_after_s()));
}

Limits::Limits(const Quotas& quotas, const Clock& clock, std::string_view index_key, AskRedis redis)
    : quotas_(quotas), clock_(clock), index_key_(index_key), redis_(std::move(redis)) {}

RateVerdict Limits::take_address(RateClass rate, std::string_view address) {
  const Digest hidden = hmac_sha256(index_key_, "signet address\n" + network_of(std::string(address)));
  return take(rate, to_hex(view(hidden).substr(0, 16)));
}

// Here first: who is over the limit of one daemon is over that of all, and costs Redis nothing. Nor does a caller begin
// anew when Redis goes away.
RateVerdict Limits::take(RateClass rate, const std::string& who) {
  RateVerdict out{rate, quotas_.of(rate), {}};
  if (rate == RateClass::none) {
    out.answer.is_allowed = true;
    return out;
  }
  const std::string key = "sg:rate:" + std::string(name(rate)) + ':' + who;
  out.answer = take_here(key, out.quota);
  if (!out.answer.is_allowed || !redis_) return out;
  {
    std::lock_guard guard(lock_);
    if (clock_.tick() < redis_again_) return out;
  }
  const auto shared = redis_(key, out.quota, kWindowUs);
  if (!shared) {
    std::lock_guard guard(lock_);
    redis_again_ = {clock_.tick().us + kRedisAgainUs};
    return out;
  }
  if (!shared->is_allowed) give_back(key, out.quota);
  out.answer = *shared;
  return out;
}

RateAnswer Limits::take_here(const std::string& key, int64_t quota) {
  std::lock_guard guard(lock_);
  const int64_t now_us = clock_.tick().us;
  if (arrivals_.size() >= kCallersMax && !arrivals_.contains(key)) {
    if (now_us - swept_at_.us >= kSweepEveryUs) {
      swept_at_ = {now_us};
      std::erase_if(arrivals_, [now_us](const auto& one) { return one.second <= now_us; });
    }
    // Still full: whoever comes now shares one limit of their class.
    if (arrivals_.size() >= kCallersMax)
      return gcra(arrivals_[key.substr(0, key.rfind(':'))], now_us, quota, kWindowUs);
  }
  return gcra(arrivals_[key], now_us, quota, kWindowUs);
}

void Limits::give_back(const std::string& key, int64_t quota) {
  std::lock_guard guard(lock_);
  const auto found = arrivals_.find(key);
  if (found != arrivals_.end()) found->second -= std::max<int64_t>(1, kWindowUs / quota);
}

}  // namespace signet
