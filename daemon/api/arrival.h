// What every way in does with a message that came: over HTTP, from the intake stream.
#pragma once

#include <vector>

#include "daemon/api/draft.h"
#include "daemon/api/router.h"

namespace signet::api {

// Refuses where a letter's physician is no doctor, an author other than the caller is nobody who drafts or is not named
// by a service, or somebody else than a service brings approvals.
void check_people(Context& context, const std::vector<Draft>& drafts);
void check_physician(Context& context, const MessageRow& row);  // the first of these

struct Arrived {
  MessageRow row;       // as it is now
  bool is_new = false;  // false: the first that came with this clientReference
};
// In the transaction: the message as a draft, or, with its approvals, queued; `hints` then gets what became due.
Arrived take_in(Context& context, Draft& draft, std::vector<Hint>& hints);

}  // namespace signet::api
