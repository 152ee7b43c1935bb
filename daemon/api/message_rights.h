// Who may do what to this message: the role table of message/policy, applied to a row and a caller.
#pragma once

#include "daemon/api/router.h"
#include "store/messages.h"

namespace signet::api {

bool is_own(const Context& context, const MessageRow& message);  // its author, or of a letter its physician
// Of a letter: its physician, or a delegate whom approval.delegates names for that physician.
bool answers_for(const Context& context, const MessageRow& message);
std::vector<Uuid> delegates_of(const Context& context, const MessageRow& message);  // of its physician

// Reads and locks the row, and says in the context what the request is about; 404 if there is none.
MessageRow locked_message(Context& context, const Uuid& id);
// The same for the letter in the address: other kinds are 404 too.
MessageRow locked_letter(Context& context);
// Reads without a lock; 403 if the caller may not even see that it is there.
MessageRow visible_message(Context& context, const Uuid& id);
MessageRow visible_letter(Context& context);

// 409 if somebody else claimed it and the claim has not lapsed.
void check_claim(Context& context, const MessageRow& message);

}  // namespace signet::api
