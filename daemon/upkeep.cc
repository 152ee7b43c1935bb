#include "daemon/upkeep.h"

#include "daemon/assembly.h"

namespace signet {
namespace {

constexpr int64_t kTasksEveryMs = 5000;       // in case that a wake was missed: a schedule of another daemon
constexpr int64_t kRetentionEveryMs = 60000;  // looks what is due: the purge once a day

}  // namespace

Upkeep::Upkeep(const Parts& parts, const PgOptions& purge_postgres)
    : tasks_at_once_(parts.config.exports.at_once),
      purge_(purge_postgres, make_purge_settings(parts.config), parts.clock, parts.ids, parts.log, parts.metrics),
      rewrap_(parts.postgres, parts.keys, parts.config.instance, parts.clock, parts.ids, parts.log, parts.metrics),
      tasks_(parts.postgres, make_task_settings(parts.config), parts.clock, parts.log, parts.metrics,
             [this] { wake(); }) {
  tasks_.add("purge", [this](TaskRun& run) { return purge_.work(run); });
}

void Upkeep::start() {
  purge_worker_ = std::make_unique<Worker>(kRetentionEveryMs, [this] { return purge_.pass(); });
  rewrap_worker_ = std::make_unique<Worker>(kRetentionEveryMs, [this] { return rewrap_.pass(); });
  purge_worker_->wake();
  rewrap_worker_->wake();
  for (int i = 0; i < tasks_at_once_; i++)
    task_workers_.push_back(std::make_unique<Worker>(kTasksEveryMs, [this] { return tasks_.pass(); }));
  is_running_ = true;
}

void Upkeep::stop() {
  is_running_ = false;
  purge_.stop();
  purge_worker_->stop();
  rewrap_worker_->stop();
  tasks_.stop();
  for (auto& worker : task_workers_) worker->stop();
}

void Upkeep::join() {
  purge_worker_.reset();
  rewrap_worker_.reset();
  task_workers_.clear();
}

void Upkeep::wake() {
  if (is_running_)  // from then on the workers are there
    for (auto& worker : task_workers_) worker->wake();
}

}  // namespace signet
