// What somebody wrote about an event (an external_note, a resolve), sealed beside it with a salt, which its commitment
// needs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "audit/event.h"
#include "base/ids.h"
#include "base/secret.h"
#include "daemon/api/router.h"
#include "store/keyring.h"

namespace signet::api {

// Writes the words under the message's key, or the day's, and their commitment into the event's detail.
void add_note(Context& context, Event& event, const std::optional<Uuid>& message_id, std::string_view text);
std::string open_note(const Secret& key, const Uuid& event_id, std::string_view sealed);  // empty: it does not open

}  // namespace signet::api
