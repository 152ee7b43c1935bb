// What runs by the clock or on demand and takes long: tasks (exports, reports, verifications, bulk requeues), the purge
// of messages whose retention has ended, and the wrapping of data keys anew. Threads of its own between start() and
// join(). Made, started, stopped and joined by the main loop's thread.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "daemon/delivery/worker.h"
#include "daemon/evidence/purge.h"
#include "daemon/evidence/rewrap.h"
#include "daemon/evidence/tasks.h"
#include "daemon/parts.h"

namespace signet {

class Upkeep {
 public:
  Upkeep(const Parts& parts, const PgOptions& purge_postgres);  // the login signet_purge's
  Tasks& tasks() { return tasks_; }                             // kinds are added to it before start()
  void start();
  void stop();  // only begins to
  void join();

 private:
  void wake();  // any thread

  const int tasks_at_once_;
  Purge purge_;
  Rewrap rewrap_;
  std::atomic<bool> is_running_ = false;
  Tasks tasks_;
  std::vector<std::unique_ptr<Worker>> task_workers_;
  std::unique_ptr<Worker> purge_worker_, rewrap_worker_;
};

}  // namespace signet
