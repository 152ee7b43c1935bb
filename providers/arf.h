// What a feedback report (RFC 5965, "ARF": somebody pressed "this is spam") says, as receipts. Pure; any thread.
#pragma once

#include <vector>

#include "base/result.h"
#include "providers/callback_form.h"
#include "providers/provider.h"

namespace signet {

// `groups`: of its message/feedback-report. None: it complains of nothing. invalid: no Feedback-Type.
Result<std::vector<Receipt>> receipts_of_arf(const std::vector<Fields>& groups, const Echo& echo);

}  // namespace signet
