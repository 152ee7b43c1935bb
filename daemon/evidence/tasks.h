// Runs what takes longer than an answer, a few at a time, each on a thread and a session of its own. Its file grows in
// the spool under the task's id; one that broke off leaves nothing there. A daemon that died in a task begins it again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/sink.h"
#include "daemon/metrics.h"
#include "store/tasks.h"

namespace signet {

struct TaskSettings {
  std::string instance;
  std::string spool_dir;  // absolute; made 0700 if it is not there
  int64_t spool_bytes_max = int64_t{4096} << 20;
  int64_t keep_ms = 24 * int64_t{3'600'000};
  int at_once = 2;
};

// What the work of one task is given. One thread.
class TaskRun {
 public:
  virtual ~TaskRun() = default;
  virtual const Task& task() const = 0;
  virtual PgSession& session() = 0;  // as signet_app, nobody else's, no transaction begun
  // The file; made at the first call. Fails with `limit` when the spool is full.
  virtual Sink& file() = 0;
  // Cheap: to be called for every row or so. unavailable: stop, the task was cancelled or the daemon stops; give the
  // error back unchanged.
  virtual Result<void> progress(int64_t done, int64_t total) = 0;
};
struct TaskEnd {
  std::string result = "{}";  // canonical JSON: what GET /api/tasks/{id} shows as `result`
  std::string file_name;      // offered under this name; empty: it has no file
  std::string media_type;
};
// Runs on a thread of the task's own, perhaps for the second time after a crash. An error's text is shown to who asked:
// it says what to do, without PHI.
using TaskWork = std::function<Result<TaskEnd>(TaskRun&)>;
// What belongs into the transaction that ends a task: its event. `task` has the end's state, size and digest.
using TaskEnded = std::function<Result<void>(PgTransaction& tx, const Task& task)>;

class Tasks {
 public:
  Tasks(PgOptions postgres, TaskSettings settings, const Clock& clock, Log& log, Metrics& metrics);
  ~Tasks();  // stops what runs; it waits again for the next start
  void add(const std::string& kind, TaskWork work, TaskEnded ended = {});  // before start()
  Result<void> start();  // makes or empties the spool of what no task owns; begins to take tasks. io: says what to do
  void wake();           // one was asked for; any thread
  void stop();           // asks all to stop, and waits
  // limit with a text for people: why no new task is taken now, the spool being full.
  Result<void> check_room() const;  // any thread
  std::string path_of(const Uuid& id) const;
  // Until it has ended, or the time is up. Any thread but a task's.
  bool wait(const Uuid& id, int64_t most_ms) const;

 private:
  class Run;
  void turn();
  void work_on(Task task);
  void sweep();
  int64_t spool_bytes() const;

  const PgOptions postgres_;
  const TaskSettings settings_;
  const Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  struct Kind {
    TaskWork work;
    TaskEnded ended;
  };
  std::map<std::string, Kind> kinds_;
  mutable std::mutex lock_;
  mutable std::condition_variable changed_;
  std::vector<std::thread> threads_;
  std::atomic<bool> is_stopping_ = false;
  bool is_woken_ = false;
  std::atomic<int64_t> growing_bytes_ = 0;  // of files that are being written
};

}  // namespace signet
