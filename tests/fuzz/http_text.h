// What a fuzz target reads its input as, so that a corpus can be read and written by hand:
//
//   POST /webhooks/acme?m=0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061.1      a callback
//   Content-Type: application/json
//
//   {"id":"1"}
//
//   202                                                                a reply; the rest as above
#pragma once

#include <string_view>

#include "providers/provider.h"

namespace signet::fuzz {

CallbackRequest callback_of(std::string_view text);
HttpReply reply_of(std::string_view text);

}  // namespace signet::fuzz
