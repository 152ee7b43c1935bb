// Erases the content of messages whose retention has ended (docs/retention.md), once a day and on demand: data key and
// content go, and the message's chain says so, in one transaction for each batch. What stays sealed elsewhere can be
// opened by nobody then. The login is signet_purge's, which alone may delete either.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "audit/event.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/evidence/tasks.h"
#include "daemon/metrics.h"
#include "store/place.h"
#include "store/retention.h"

namespace signet {

struct PurgeSettings {
  int retention_years = 7;
  std::string instance;
  int batch = 100;  // a transaction
  int64_t every_ms = 86'400'000;
};

class Purge {
 public:
  // `postgres` is the login signet_purge's.
  Purge(PgOptions postgres, PurgeSettings settings, const Clock& clock, IdSource& ids, Log& log, Metrics& metrics)
      : postgres_(std::move(postgres)),
        settings_(std::move(settings)),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics) {}

  // One daemon of all: records the policy where it is another than the database knew, and purges when the last time is
  // `every_ms` ago. Called once in a while; returns false always. One thread.
  bool pass();
  void stop() { is_stopping_ = true; }  // after the batch under way; any thread

  struct Erased {
    int64_t messages = 0, days = 0;
  };
  // Everything that is due now. `progress` after each batch; its error ends the purge between two batches. Any thread:
  // who else purges meanwhile has other batches, for each locks its messages.
  Result<Erased> run(const std::function<Result<void>(int64_t messages)>& progress = {}) const;
  // The same as a task's work; its result has `messages` and `dayKeys`.
  Result<TaskEnd> work(TaskRun& task) const;

 private:
  Result<Erased> run(PgSession& session, const std::function<Result<void>(int64_t messages)>& progress) const;
  Result<int64_t> erase_batch(PgSession& session, RetentionBy by, Uuid& after, bool& has_more) const;
  Result<void> record_policy_change(PgSession& session) const;
  Result<void> turn(PgSession& session) const;
  Event own_event(std::string action) const;

  const PgOptions postgres_;
  const PurgeSettings settings_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  std::string told_;
  std::atomic<bool> is_stopping_ = false;
};

}  // namespace signet
