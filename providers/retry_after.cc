#include "providers/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

namespace signet {
namespace {

constexpr int64_t kSecondsMax = 7 * 24 * 3600;  // message/retry clamps it further; this keeps the sum from overflowing

std::optional<int64_t> seconds_of(std::string_view date) {  // all three forms of RFC 9110 section 5.6.7
  if (date.empty() || date.size() > 64) return std::nullopt;
  auto at = curl_getdate(std::string(date).c_str(), nullptr);
  if (at == -1) return std::nullopt;
  return int64_t{at};
}

std::optional<int64_t> number_of(std::string_view text) {  // of digits alone; too many are as good as the most
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? number : std::numeric_limits<int64_t>::max() / 2;
}

std::optional<int64_t> until_ms(const HttpReply& reply, std::optional<int64_t> epoch_s) {
  auto now = seconds_of(header_of(reply, "date"));
  if (!epoch_s || !now) return std::nullopt;
  return std::clamp<int64_t>(*epoch_s - *now, 0, kSecondsMax) * 1000;
}

}  // namespace

std::string_view header_of(const HttpReply& reply, std::string_view lower_case_name) {
  for (const auto& [name, value] : reply.headers)
    if (name == lower_case_name) return value;
  return {};
}

std::optional<int64_t> retry_after_ms(const HttpReply& reply) {
  const auto text = header_of(reply, "retry-after");
  if (auto seconds = number_of(text)) return std::min(*seconds, kSecondsMax) * 1000;
  return until_ms(reply, seconds_of(text));
}

std::optional<int64_t> reset_after_ms(const HttpReply& reply, std::string_view lower_case_name, ResetUnit unit) {
  const auto number = number_of(header_of(reply, lower_case_name));
  if (!number) return std::nullopt;
  return unit == ResetUnit::epoch ? until_ms(reply, number) : std::min(*number, kSecondsMax) * 1000;
}

std::optional<int64_t> retry_text_ms(const HttpReply& reply, std::string_view text) {
  constexpr std::string_view kAfter = "try again after ";
  if (const auto after = text.find(kAfter); after != text.npos) {
    const auto rest = text.substr(after + kAfter.size());
    const auto digits = rest.substr(0, rest.find_first_not_of("0123456789"));
    const auto seconds = number_of(digits);
    if (seconds && rest.substr(digits.size()).starts_with(" second")) return std::min(*seconds, kSecondsMax) * 1000;
  }
  constexpr size_t kDate = std::string_view("Thu, 02 Jul 2020 15:09:10").size();
  for (auto comma = text.find(", "); comma != text.npos; comma = text.find(", ", comma + 1)) {
    if (comma < 3) continue;
    const auto date = text.substr(comma - 3, kDate), zone = text.substr(comma - 3 + date.size());
    if (!zone.starts_with(" UTC") && !zone.starts_with(" GMT") && !zone.starts_with(" +0000")) continue;
    if (auto ms = until_ms(reply, seconds_of(std::string(date) + " GMT"))) return ms;
  }
  return std::nullopt;
}

}  // namespace signet
