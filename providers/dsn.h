// What a delivery status notification (RFC 3464) says, as receipts. Pure; any thread.
#pragma once

#include <vector>

#include "base/result.h"
#include "providers/callback_form.h"
#include "providers/provider.h"

namespace signet {

// `groups`: of its message/delivery-status: one of the message, then one a recipient. A mail of ours has one recipient,
// so more of them are those that it was passed on to: where these fared unlike, the receipts are partial. At most one
// receipt a kind. invalid: it says nothing definite of anybody.
Result<std::vector<Receipt>> receipts_of_dsn(const std::vector<Fields>& groups, const Echo& echo);

}  // namespace signet
