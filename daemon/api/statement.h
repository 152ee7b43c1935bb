// Statements to sign with a key of one's own (POST /api/messages/{id}/approval-statement): five minutes, once.
#pragma once

#include <string>

#include "daemon/api/router.h"
#include "store/approvals.h"

namespace signet::api {

// What was sealed with the statement: 32 octets of salt, then intent_of() the review that it stands for.
std::string open_statement(Context& context, const StatementRow& row);

}  // namespace signet::api
