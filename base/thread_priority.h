// How much of the processor a thread asks for, against others of this machine.
#pragma once

namespace signet {

// This thread gives way to all others of usual priority, for good: nice(1) 15. Linux has a niceness for each thread
// (sched(7)). Where it may not be lowered, nothing happens.
void lower_thread_priority();

}  // namespace signet
