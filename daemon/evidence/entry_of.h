// From an event to the entry that the store takes: canonical bytes, leaf, and the columns that one searches by.
#pragma once

#include "audit/event.h"
#include "store/entry.h"

namespace signet {

// `object_id`: the message, or what else it is about; nil: nothing. Any thread.
Entry entry_of(const Event& event, const Uuid& object_id);

}  // namespace signet
