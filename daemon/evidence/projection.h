// Whether the searched columns of an entry say what its bytes say.
#pragma once

#include "audit/event.h"
#include "store/entry.h"

namespace signet {

bool is_projection(const EventProjection& event, const Entry& stored);  // any thread

}  // namespace signet
