// When a provider says that a request may be tried again: Retry-After (RFC 9110 section 10.2.3), as seconds or as a
// date; the seconds or the moment in which a limit resets; a date or seconds in a text. A moment is counted from the
// reply's own Date header, so that the clocks of the two need not agree; without one it is not used. All at most a
// week.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "providers/provider.h"

namespace signet {

std::string_view header_of(const HttpReply& reply, std::string_view lower_case_name);  // the first; empty if none
std::optional<int64_t> retry_after_ms(const HttpReply& reply);

enum class ResetUnit { seconds, epoch };  // from now, or since 1970
// `ratelimit-reset` and the like.
std::optional<int64_t> reset_after_ms(const HttpReply& reply, std::string_view lower_case_name, ResetUnit unit);
// "try again after 120 seconds" in a text of the reply, or else its first "Thu, 02 Jul 2020 15:09:10 UTC".
std::optional<int64_t> retry_text_ms(const HttpReply& reply, std::string_view text);

}  // namespace signet
