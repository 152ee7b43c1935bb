// Failed messages that a filter finds are sent again: the work of a task, asked for over the API after a dry run.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "daemon/delivery/due_plan.h"
#include "daemon/evidence/tasks.h"
#include "queue/queue.h"
#include "store/messages.h"

namespace signet {

inline constexpr char kBulkRequeueTask[] = "requeue";

struct BulkRequeue {
  MessageFilter filter;  // kind, priority, failure_reason, provider, changed_from, changed_before
  WallTime as_of;        // of the dry run: what failed later stays
  int64_t count = 0;     // that it found
};
std::string canonical(const BulkRequeue& what);                      // as the task's row has it
Result<BulkRequeue> parse_bulk_requeue(std::string_view canonical);  // corrupt: of another version

// In batches, each a transaction that takes only rows that nobody holds; what is offered was committed. Begun again
// after a crash it goes on with what is left. Its result: {"left", "requeued"}.
TaskWork bulk_requeue_work(const DuePlan& plan, const Clock& clock, IdSource& ids, Log& log,
                           std::function<void(std::vector<Hint>)> offer);

}  // namespace signet
