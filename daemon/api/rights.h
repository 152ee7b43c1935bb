// What a role may do, asked the same way everywhere.
#pragma once

#include "daemon/api/router.h"
#include "message/policy.h"

namespace signet::api {

bool may(const Context& context, Action action);              // without restriction
void must_be_allowed(const Context& context, Action action);  // else 403, recorded as ROLE
// Whose rows a list shows: the caller's own, or those of ?userId, which is for administrators.
Uuid whose(const Context& context);

}  // namespace signet::api
