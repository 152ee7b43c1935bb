#include "providers/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

namespace signet {
namespace {

constexpr int64_t kSecondsMax = 7 * 24 * 3600;  // message/retry clamps it further; this keeps the sum from overflowing

std::optional<int64_t> seconds_of(std::string_view date) {  // all three forms of RFC 9110 section 5.6.7
  if (date.empty() || date.size() > 64) return std::nullopt;
  auto at = curl_getdate(std::string(date).c_str(), nullptr);
  if (at == -1) return std::nullopt;
  return int64_t{at};
}

}  // namespace

std::string_view header_of(const HttpReply& reply, std::string_view lower_case_name) {
  for (const auto& [name, value] : reply.headers)
    if (name == lower_case_name) return value;
  return {};
}

std::optional<int64_t> retry_after_ms(const HttpReply& reply) {
  auto text = header_of(reply, "retry-after");
  if (text.empty()) return std::nullopt;
  if (text.find_first_not_of("0123456789") == text.npos) {
    int64_t seconds = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || seconds > kSecondsMax) seconds = kSecondsMax;
    return seconds * 1000;
  }
  auto until = seconds_of(text), now = seconds_of(header_of(reply, "date"));
  if (!until || !now) return std::nullopt;
  return std::clamp<int64_t>(*until - *now, 0, kSecondsMax) * 1000;
}

}  // namespace signet
