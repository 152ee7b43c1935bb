#include "daemon/evidence/tasks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "base/sha256.h"

namespace signet {
namespace {

constexpr int kStartsMax = 3;
constexpr int64_t kReportEveryMs = 500;
constexpr int64_t kSweepEveryMs = 60'000;
constexpr int kWaitersMax = 2;  // each holds a thread and a session of the API's
constexpr char kPartial[] = ".part";

Error io_error(const std::string& what) {
  if (errno == ENOSPC || errno == EDQUOT)
    return {ErrorCode::limit, "the disk of exports.spool_dir is full: make room on it"};
  return {ErrorCode::io, what + ": " + std::generic_category().message(errno)};
}

int64_t size_of(const std::string& path) {
  std::error_code none;
  const auto size = std::filesystem::file_size(path, none);
  return none ? 0 : static_cast<int64_t>(size);
}

PgOptions patient(PgOptions options) {
  options.statement_timeout_ms = 0;
  return options;
}

Error full() {
  return {ErrorCode::limit,
          "the spool is full: fetch or delete files of earlier exports, or raise exports.spool_mb_max"};
}

}  // namespace

// Nobody sees it before commit() has given it its name.
class Tasks::SpoolFile : public Sink {
 public:
  SpoolFile(Tasks& tasks, const Uuid& id) : tasks_(tasks), path_(tasks.path_of(id)) {}
  ~SpoolFile() override {
    if (fd_ >= 0) ::close(fd_);
    if (is_open_ && !is_committed_) {
      ::unlink((path_ + kPartial).c_str());
      tasks_.spool_bytes_ -= size_;
    }
  }

  Result<void> write(std::string_view octets) override {
    if (!is_open_) {
      fd_ = ::open((path_ + kPartial).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      if (fd_ < 0) return io_error("cannot make a file in exports.spool_dir");
      is_open_ = true;
    }
    if (tasks_.spool_bytes_ + static_cast<int64_t>(octets.size()) > tasks_.settings_.spool_bytes_max) return full();
    while (!octets.empty()) {
      const ssize_t written = ::write(fd_, octets.data(), octets.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return io_error("cannot write to exports.spool_dir");
      digest_.add(octets.substr(0, static_cast<size_t>(written)));
      size_ += written;
      tasks_.spool_bytes_ += written;
      octets.remove_prefix(static_cast<size_t>(written));
    }
    return {};
  }

  Result<void> commit(Task& task) {
    if (auto made = write({}); !made) return made;  // a file without octets is a file
    if (::fsync(fd_) != 0 || ::rename((path_ + kPartial).c_str(), path_.c_str()) != 0)
      return io_error("cannot finish a file in exports.spool_dir");
    is_committed_ = true;
    task.size = size_;
    task.sha256 = digest_.finish();
    return {};
  }

 private:
  Tasks& tasks_;
  const std::string path_;
  int fd_ = -1;
  bool is_open_ = false, is_committed_ = false;
  int64_t size_ = 0;
  Sha256 digest_;
};

class Tasks::Run : public TaskRun {
 public:
  Run(Tasks& tasks, Task& task, PgSession& own, PgSession& watch)
      : tasks_(tasks), task_(task), own_(own), watch_(watch), file_(tasks, task.id) {}

  const Task& task() const override { return task_; }
  PgSession& session() override { return own_; }
  Sink& file() override { return file_; }
  SpoolFile& spool_file() { return file_; }
  bool is_cancelled() const { return is_cancelled_; }

  Result<void> progress(int64_t done, int64_t total) override {
    if (tasks_.is_stopping_) return Error{ErrorCode::unavailable, "signetd is stopping; it goes on after its start"};
    task_.done = done;
    task_.total = total;
    const Tick now = tasks_.clock_.tick();
    if (told_at_ && now.us - told_at_->us < kReportEveryMs * 1000) return {};
    told_at_ = now;
    auto goes_on = report_progress(watch_, task_.id, done, total);
    if (!goes_on) return goes_on.error();
    is_cancelled_ = !*goes_on;
    if (is_cancelled_) return Error{ErrorCode::unavailable, "it was cancelled"};
    return {};
  }

 private:
  Tasks& tasks_;
  Task& task_;
  PgSession& own_;
  PgSession& watch_;  // what it reads may stand in one long transaction
  SpoolFile file_;
  bool is_cancelled_ = false;
  std::optional<Tick> told_at_;
};

Tasks::Tasks(PgOptions postgres, TaskSettings settings, const Clock& clock, Log& log, Metrics& metrics,
             std::function<void()> wake)
    : postgres_(std::move(postgres)),
      settings_(std::move(settings)),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      wake_(std::move(wake)) {}

Tasks::~Tasks() = default;

void Tasks::add(const std::string& kind, TaskWork work, TaskEnded ended) {
  kinds_[kind] = {std::move(work), std::move(ended)};
}

Result<void> Tasks::open_spool() {
  std::error_code failed;
  std::filesystem::create_directories(settings_.spool_dir, failed);
  if (!failed) std::filesystem::permissions(settings_.spool_dir, std::filesystem::perms::owner_all, failed);
  if (failed || ::access(settings_.spool_dir.c_str(), R_OK | W_OK | X_OK) != 0)
    return Error{ErrorCode::io, "exports.spool_dir: signetd cannot write to " + settings_.spool_dir +
                                    ": name a folder of its own, as the state directory of its unit"};
  return {};
}

std::string Tasks::path_of(const Uuid& id) const { return settings_.spool_dir + '/' + id.text(); }

// Before the first is taken: what the daemon's last run left is put in order.
Result<void> Tasks::prepare(PgSession& session) {
  std::lock_guard guard(prepare_lock_);
  if (!is_prepared_) {
    if (auto reopened = reopen_tasks(session, settings_.instance); !reopened) return reopened;
    is_prepared_ = true;
  }
  const Tick now = clock_.tick();
  if (swept_at_ && now.us - swept_at_->us < kSweepEveryMs * 1000) return {};
  swept_at_ = now;
  return sweep(session);
}

// Files go when their time is up, and those that are nobody's.
Result<void> Tasks::sweep(PgSession& session) {
  const WallTime now = clock_.wall();
  auto expired = expire_files(session, settings_.instance, {now.us - settings_.keep_ms * 1000}, now);
  if (!expired) return expired;
  std::set<std::string> known;
  {
    std::lock_guard guard(lock_);  // first: one that ends meanwhile is in the table below
    for (const Uuid& id : running_) {
      known.insert(id.text());
      known.insert(id.text() + kPartial);
    }
  }
  auto live = live_files(session, settings_.instance);
  if (!live) return live.error();
  for (const Uuid& id : *live) known.insert(id.text());
  int64_t bytes = 0;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(settings_.spool_dir, failed)) {
    if (!entry.is_regular_file(failed)) continue;
    if (known.contains(entry.path().filename().string()))
      bytes += size_of(entry.path().string());
    else
      std::filesystem::remove(entry.path(), failed);
  }
  std::lock_guard guard(lock_);
  if (running_.empty()) spool_bytes_ = bytes;
  metrics_.set("signet_spool_bytes", {}, spool_bytes_);
  return {};
}

bool Tasks::pass() {
  if (is_stopping_) return false;
  auto session = PgSession::open(postgres_);
  if (!session) {
    tell(session.error());
    return false;
  }
  if (auto prepared = prepare(**session); !prepared) {
    tell(prepared.error());
    return false;
  }
  Result<std::optional<Task>> taken = std::optional<Task>();
  {
    // Under the lock of sweep(), which then sees it running.
    std::lock_guard guard(lock_);
    taken = take_task(**session, settings_.instance, clock_.wall());
    if (taken && *taken) running_.insert((*taken)->id);
  }
  if (!taken) tell(taken.error());
  if (!taken || !*taken) return false;
  run(std::move(*session), std::move(**taken));
  return true;
}

void Tasks::run(std::unique_ptr<PgSession> session, Task task) {
  const auto kind = kinds_.find(task.kind);
  auto fail = [&task](std::string text) {
    task.state = TaskState::failed;
    task.failure = std::move(text);
  };
  task.state = TaskState::done;
  if (kind == kinds_.end()) {
    fail("this signetd does not know tasks of the kind " + task.kind + ": run one version everywhere");
  } else if (task.starts > kStartsMax) {
    fail("signetd ended while it ran, " + std::to_string(kStartsMax) + " times: its log may say why");
  } else if (auto own = PgSession::open(patient(postgres_)); !own) {
    fail("PostgreSQL is not there: ask again later");
    tell(own.error());
  } else {
    Run run(*this, task, **own, *session);
    auto end = kind->second.work(run);
    if (!end && is_stopping_ && end.error().code == ErrorCode::unavailable) return;  // reopened at the next start
    if (end && !end->file_name.empty())
      if (auto kept = run.spool_file().commit(task); !kept) end = kept.error();
    if (end) {
      task.result = end->result;
      task.file_name = end->file_name;
      task.media_type = end->media_type;
      task.is_kept = end->is_kept;
    } else if (run.is_cancelled()) {
      task.state = TaskState::cancelled;
    } else {
      fail((*own)->is_usable() ? end.error().text : "the connection to PostgreSQL broke off: ask again");
      log_.warn("a task failed", {{"task_id", task.id.text()}, {"kind", task.kind}, {"reason", end.error().text}});
    }
  }
  metrics_.add("signet_tasks_total", "kind=\"" + task.kind + "\",state=\"" + to_string(task.state) + '"');
  this->end(std::move(session), std::move(task));
}

// Until it is written: what was done is not to be done again.
void Tasks::end(std::unique_ptr<PgSession> session, Task task) {
  task.finished_at = clock_.wall();
  const auto kind = kinds_.find(task.kind);
  auto write = [&]() -> Result<void> {
    PgTransaction tx(*session);
    auto is_ours = end_task(tx, task);
    if (!is_ours) return is_ours.error();
    if (!*is_ours) return {};
    if (kind != kinds_.end() && kind->second.ended)
      if (auto told = kind->second.ended(tx, task); !told) return told;
    return tx.commit();
  };
  for (;;) {
    Result<void> written = session ? write() : Result<void>(Error{ErrorCode::unavailable, "no connection"});
    if (written) break;
    tell(written.error());
    if (is_stopping_) return;
    std::unique_lock guard(lock_);
    ended_.wait_for(guard, std::chrono::seconds(1), [this] { return is_stopping_.load(); });
    guard.unlock();
    session.reset();
    if (auto again = PgSession::open(postgres_)) session = std::move(*again);
  }
  std::lock_guard guard(lock_);
  running_.erase(task.id);
  open_.erase(task.id);
  told_.clear();
  ended_.notify_all();
}

void Tasks::stop() {
  std::lock_guard guard(lock_);
  is_stopping_ = true;
  ended_.notify_all();
}

void Tasks::tell(const Error& error) {
  std::lock_guard guard(lock_);
  if (told_ != error.text) log_.warn("tasks wait", {{"reason", error.text}});
  told_ = error.text;
}

Result<void> Tasks::check_room() const {
  if (spool_bytes_ >= settings_.spool_bytes_max) return full();
  return {};
}

void Tasks::came(const Uuid& id) {
  {
    std::lock_guard guard(lock_);
    open_.insert(id);
  }
  wake_();
}

void Tasks::gone(const Uuid& id) {
  std::lock_guard guard(lock_);
  open_.erase(id);
  ended_.notify_all();
}

void Tasks::remove_file(const Uuid& id) {
  const int64_t size = size_of(path_of(id));
  if (::unlink(path_of(id).c_str()) == 0) spool_bytes_ -= size;
}

bool Tasks::wait(const Uuid& id, int64_t most_ms) {
  std::unique_lock guard(lock_);
  if (waiters_ >= kWaitersMax) return false;
  waiters_++;
  const bool has_ended =
      ended_.wait_for(guard, std::chrono::milliseconds(most_ms), [&] { return is_stopping_ || !open_.contains(id); });
  waiters_--;
  return has_ended && !open_.contains(id);
}

}  // namespace signet
