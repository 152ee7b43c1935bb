// What takes longer than an answer, as the API shows it (daemon/evidence/tasks.h).
#pragma once

#include <string>

#include "daemon/api/router.h"
#include "store/tasks.h"

namespace signet::api {

// Inserts one by the caller into the context's transaction; `parameters` is canonical JSON without PHI. 507 when the
// spool is full and it `has_file`. The event is the handler's to write.
Task new_task(Context& context, const std::string& kind, std::string parameters, bool has_file);

// Commits, and answers 202 with the task; where the query has `wait`, and it ends within 30 s, 200 with its file, or
// with the task if it has none.
http::Response accept(Context& context, const Task& task);

}  // namespace signet::api
