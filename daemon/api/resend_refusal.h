// Why something is not sent once more, as the API says it.
#pragma once

#include "daemon/api/router.h"
#include "daemon/delivery/resend.h"

namespace signet::api {

[[noreturn]] void refuse_resend(const Context& context, ResendBar bar);

}  // namespace signet::api
