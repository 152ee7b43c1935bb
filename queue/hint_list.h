// The name of the list where a hint waits: "<priority>:<lane>:<sender>".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "message/message.h"
#include "queue/queue.h"

namespace signet {

struct HintList {
  Priority priority;
  std::string lane;
  std::string sender;
};

std::string list_name(const Hint& hint);
std::optional<HintList> parse_list_name(std::string_view name);
// `invalid` if a lane or sender has a character that the names of lists do not allow (queue.h says which).
Result<void> check_hint(const Hint& hint);

}  // namespace signet
