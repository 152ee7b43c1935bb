#include "queue/hint_list.h"

#include <algorithm>

namespace signet {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

}  // namespace

std::string list_name(const Hint& hint) {
  const std::string_view priority = name(hint.priority);
  std::string list;
  list.reserve(priority.size() + hint.lane.size() + hint.sender.size() + 2);
  list.append(priority).append(":").append(hint.lane).append(":").append(hint.sender);
  return list;
}

std::optional<HintList> parse_list_name(std::string_view list) {
  const size_t first = list.find(':');
  const size_t second = list.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto priority = parse_priority(list.substr(0, first));
  if (!priority) return std::nullopt;
  return HintList{*priority, std::string(list.substr(first + 1, second - first - 1)),
                  std::string(list.substr(second + 1))};
}

Result<void> check_hint(const Hint& hint) {
  const bool is_lane = !hint.lane.empty() && std::all_of(hint.lane.begin(), hint.lane.end(), [](char c) {
    return is_lower(c) || is_digit(c) || c == '.' || c == '-';
  });
  if (!is_lane) return Error{ErrorCode::invalid, "a hint's lane must be of a-z, 0-9, '.' and '-'"};
  const bool is_sender = !hint.sender.empty() && std::all_of(hint.sender.begin(), hint.sender.end(), [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '-';
  });
  if (!is_sender) return Error{ErrorCode::invalid, "a hint's sender must be of A-Z, a-z, 0-9 and '-'"};
  return {};
}

}  // namespace signet
