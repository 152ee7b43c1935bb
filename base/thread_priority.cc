#include "base/thread_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace signet {
namespace {

constexpr int kNice = 15;

}  // namespace

void lower_thread_priority() { (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice); }

}  // namespace signet
