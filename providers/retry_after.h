// Retry-After (RFC 9110 section 10.2.3), as seconds or as a date. A date is counted from the reply's own Date header,
// so that the clocks of the two need not agree; without one it is not used.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "providers/provider.h"

namespace signet {

std::string_view header_of(const HttpReply& reply, std::string_view lower_case_name);  // the first; empty if none
std::optional<int64_t> retry_after_ms(const HttpReply& reply);

}  // namespace signet
