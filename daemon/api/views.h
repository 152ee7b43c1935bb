// How a message is shown, and to whom.
#pragma once

#include <string>
#include <vector>

#include "daemon/api/content.h"
#include "daemon/api/router.h"
#include "store/messages.h"

namespace signet::api {

enum class Sight { nothing, metadata, content };
// What the caller's role lets him see of this message (product: roles, "read messages").
Sight sight_of(const Context& context, const MessageRow& message);

// JSON objects. Without content no recipient, text or patient is in them.
std::string message_json(const MessageRow& message);
std::string message_json(const MessageRow& message, const Content& content, const std::vector<AttemptRow>& attempts);
std::string list_json(const std::vector<std::string>& items, const std::string& next_cursor);
// Events as stored, and attempts. `with_access`: also reads and refusals, and from where an actor came.
std::string timeline_json(const MessageRow& message, const std::vector<std::string>& events,
                          const std::vector<AttemptRow>& attempts, bool with_access);

// The filter that keeps a list to what the caller may see. 403 if that is nothing.
MessageFilter filter_for(Context& context);
// Query parameters cursor and limit. Takes one row more than is to be shown, which tells whether there is a next page.
void read_page(Context& context, MessageFilter& filter);
std::string page_json(std::vector<MessageRow> rows, const MessageFilter& filter);

}  // namespace signet::api
