// The API's handlers, one a row of the route table. Any thread.
#pragma once

#include "daemon/api/router.h"

namespace signet::api {

// messages.cc
http::Response post_messages(Context& context);
http::Response get_messages(Context& context);
http::Response get_message(Context& context);
http::Response get_timeline(Context& context);
// workflow.cc
http::Response post_submit_for_review(Context& context);
http::Response post_review(Context& context);
http::Response post_send_directly(Context& context);
http::Response get_pending_review(Context& context);
// cancel.cc
http::Response post_cancel(Context& context);
// webhooks.cc
http::Response post_webhook(Context& context);
// system.cc
http::Response get_health(Context& context);
http::Response get_readiness(Context& context);
http::Response get_metrics(Context& context);
http::Response get_me(Context& context);
http::Response get_policy(Context& context);

}  // namespace signet::api
