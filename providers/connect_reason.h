// Why a stream that was not ready yet closed, as outcomes call it (docs/states.md).
#pragma once

#include "base/result.h"

namespace signet {

// `error` as Stream's on_close gives it, which tells these apart in its text only.
const char* connect_reason(const Error& error);

}  // namespace signet
