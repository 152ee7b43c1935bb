// Stopping a priority or a provider, and starting it again: the same for both.
#pragma once

#include <string>
#include <vector>

#include "daemon/api/router.h"
#include "store/pauses.h"

namespace signet::api {

// Reads {reason}, of a closed list; what is paused already stays as it is. Answers with the pause.
http::Response pause(Context& context, PauseScope scope, const std::string& name);
http::Response resume(Context& context, PauseScope scope, const std::string& name);

// As a JSON value: null where it is not paused.
std::string pause_json(const std::vector<PauseRow>& all, PauseScope scope, std::string_view name);

}  // namespace signet::api
