// Runs what takes longer than an answer, each on a worker's thread and a session of its own. Its file grows in the
// spool under the task's id; one that broke off leaves nothing there. A daemon that died in a task begins it again,
// twice: then it is the task that is at fault.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

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
  bool is_kept = false;  // the file stays, however old
};
// Runs on a worker's thread, perhaps for the second time after a crash. An error's text is shown to who asked:
// it says what to do, without PHI.
using TaskWork = std::function<Result<TaskEnd>(TaskRun&)>;
// What belongs into the transaction that ends a task: its event. `task` has the end's state, size and digest.
using TaskEnded = std::function<Result<void>(PgTransaction& tx, const Task& task)>;

// pass() is called by several workers at once; the rest from any thread.
class Tasks {
 public:
  Tasks(PgOptions postgres, TaskSettings settings, const Clock& clock, Log& log, Metrics& metrics,
        std::function<void()> wake);
  ~Tasks();
  void add(const std::string& kind, TaskWork work, TaskEnded ended = {});  // before the first pass
  // Makes the spool, 0700, if it is not there. io: says what to do.
  Result<void> open_spool();
  // Runs the oldest that waits, if any does. True: there may be another.
  bool pass();
  // What runs breaks off at its next progress(), and waits for the next start.
  void stop();

  // limit: no new one is taken now, the spool being full; the text says so to people.
  Result<void> check_room() const;
  void came(const Uuid& id);  // it was asked for and committed
  void gone(const Uuid& id);  // it was cancelled before it began
  // True: it has ended. False: the time is up, or as many wait already as may.
  bool wait(const Uuid& id, int64_t most_ms);
  std::string path_of(const Uuid& id) const;  // of a finished one's file
  void remove_file(const Uuid& id);           // nobody is to fetch it any more
  const std::string& instance() const { return settings_.instance; }

 private:
  class Run;
  class SpoolFile;
  struct Kind {
    TaskWork work;
    TaskEnded ended;
  };

  Result<void> prepare(PgSession& session);
  Result<void> sweep(PgSession& session);
  void run(std::unique_ptr<PgSession> session, Task task);
  void end(std::unique_ptr<PgSession> session, Task task);
  void tell(const Error& error);

  const PgOptions postgres_;
  const TaskSettings settings_;
  const Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  const std::function<void()> wake_;
  std::map<std::string, Kind> kinds_;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<int64_t> spool_bytes_ = 0;

  std::mutex prepare_lock_;
  bool is_prepared_ = false;
  std::optional<Tick> swept_at_;
  std::string told_;

  std::mutex lock_;
  std::condition_variable ended_;
  std::set<Uuid> open_;     // asked for here, not ended yet
  std::set<Uuid> running_;  // their files are in the making
  int waiters_ = 0;
};

}  // namespace signet
