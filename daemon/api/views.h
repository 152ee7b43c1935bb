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
std::string list_json(const std::vector<std::string>& items, const std::string& next_cursor);
// The message as the caller may see it, with its ETag; commits, and leaves the event of the read. `as_letter`: status
// in the origin's words, and deliveryStatus.
http::Response show_message(Context& context, const MessageRow& message, bool as_letter);
// Events as stored, and attempts. `with_access`: also reads and refusals, and from where an actor came.
std::string timeline_json(const MessageRow& message, const std::vector<std::string>& events,
                          const std::vector<AttemptRow>& attempts, bool with_access);

// The filter that keeps a list to what the caller may see. 403 if that is nothing.
MessageFilter filter_for(Context& context);
std::string page_json(std::vector<MessageRow> rows, const MessageFilter& filter);
// The event of a list that was read: by which filters, and how much was found.
void record_list(Context& context, const std::string& action, const std::string& filters, size_t count);

}  // namespace signet::api
