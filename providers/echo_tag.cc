#include "providers/echo_tag.h"

#include <algorithm>

namespace signet {

std::string tag_of(std::string_view echo) {
  std::string out(echo);
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

std::optional<Echo> parse_tag(std::string_view tag) {
  if (tag.size() > 64) return std::nullopt;
  std::string echo(tag);
  std::replace(echo.begin(), echo.end(), '_', '.');
  return parse_echo(echo);
}

}  // namespace signet
