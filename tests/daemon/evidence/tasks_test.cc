#include "daemon/evidence/tasks.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/daemon/evidence/log_world.h"

using namespace signet;
namespace fs = std::filesystem;

namespace {

struct Fixture {
  PostgresServer& postgres = shared_postgres();
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  QuietLog log;
  Metrics metrics;
  std::string folder = "/tmp/signet-spool.XXXXXX";
  std::unique_ptr<PgSession> app;
  std::unique_ptr<Tasks> tasks;
  TaskWork work = [](TaskRun& run) -> Result<TaskEnd> {
    if (auto written = run.file().write("seven"); !written) return written.error();
    return TaskEnd{R"({"rows":1})", "one.csv", "text/csv"};
  };
  std::vector<std::string> told;  // states of what ended

  Fixture() {
    postgres.clear();
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
    app = postgres.session();
    start();
  }
  ~Fixture() {
    tasks.reset();
    fs::remove_all(folder);
  }
  void start(int64_t bytes_max = 1000) {
    TaskSettings settings;
    settings.instance = "here";
    settings.spool_dir = folder;
    settings.spool_bytes_max = bytes_max;
    settings.keep_ms = 3'600'000;
    tasks = std::make_unique<Tasks>(postgres.options(), settings, clock, log, metrics, [] {});
    tasks->add(
        "sample", [this](TaskRun& run) { return work(run); },
        [this](PgTransaction& tx, const Task& task) -> Result<void> {
          told.push_back(to_string(task.state));
          auto seen = tx.run("select 1");
          if (!seen) return seen.error();
          return {};
        });
    REQUIRE(tasks->open_spool().ok());
  }
  Uuid ask(const std::string& instance = "here") {
    Task task;
    task.id = ids.next();
    task.kind = "sample";
    task.asked_by = ids.next();
    task.instance = instance;
    task.asked_at = clock.wall();
    PgTransaction tx(*app);
    REQUIRE(insert_task(tx, task).ok());
    REQUIRE(tx.commit().ok());
    tasks->came(task.id);
    return task.id;
  }
  void pass() {
    while (tasks->pass()) {
    }
  }
  Task read(const Uuid& id) {
    PgTransaction tx(*app);
    auto task = read_task(tx, id);
    REQUIRE(task.ok());
    REQUIRE(task->has_value());
    return **task;
  }
  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path().filename().string());
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a task's file stands in the spool when the task is done, for its owner's eyes only") {
  const Uuid id = ask();
  pass();
  const Task task = read(id);
  CHECK(task.state == TaskState::done);
  CHECK(task.result == R"({"rows":1})");
  CHECK(task.size == 5);
  CHECK(*task.sha256 == sha256("seven"));
  CHECK(files() == std::vector{id.text()});
  std::ifstream file(tasks->path_of(id));
  std::stringstream text;
  text << file.rdbuf();
  CHECK(text.str() == "seven");
  CHECK(fs::status(tasks->path_of(id)).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(fs::status(folder).permissions() == fs::perms::owner_all);
  CHECK(told == std::vector<std::string>{"done"});
  CHECK(tasks->wait(id, 0));
}

TEST_CASE_METHOD(Fixture, "what fails leaves its reason, and nothing in the spool") {
  work = [](TaskRun& run) -> Result<TaskEnd> {
    REQUIRE(run.file().write("half").ok());
    return Error{ErrorCode::invalid, "narrow the filters"};
  };
  const Uuid id = ask();
  pass();
  CHECK(read(id).state == TaskState::failed);
  CHECK(read(id).failure == "narrow the filters");
  CHECK(files().empty());
  CHECK(told == std::vector<std::string>{"failed"});
}

TEST_CASE_METHOD(Fixture, "a connection that breaks off in the middle leaves nothing behind, and the next one works") {
  work = [this](TaskRun& run) -> Result<TaskEnd> {
    REQUIRE(run.file().write("half").ok());
    auto pid = run.session().run("select pg_backend_pid()");
    REQUIRE(postgres.session("postgres")
                ->run("select pg_terminate_backend($1::integer)", {static_cast<int32_t>(pid->number(0, 0))})
                .ok());
    auto rows = run.session().run("select 1");
    REQUIRE_FALSE(rows.ok());
    return rows.error();
  };
  const Uuid id = ask();
  pass();
  CHECK(read(id).state == TaskState::failed);
  CHECK(read(id).failure == "the connection to PostgreSQL broke off: ask again");
  CHECK(files().empty());
  work = [](TaskRun&) -> Result<TaskEnd> { return TaskEnd{}; };
  const Uuid next = ask();
  pass();
  CHECK(read(next).state == TaskState::done);
}

TEST_CASE_METHOD(Fixture, "one that ran when the daemon died is begun again, three times at most") {
  const Uuid id = ask();
  std::ofstream(tasks->path_of(id) + ".part") << "of the run before";
  for (int starts = 1; starts <= 3; starts++) {
    REQUIRE(take_task(*app, "here", clock.wall())->has_value());  // and nothing more: it died
    REQUIRE(reopen_tasks(*app, "here").ok());
  }
  start();
  pass();
  CHECK(read(id).state == TaskState::failed);
  CHECK(read(id).failure == "signetd ended while it ran, 3 times: its log may say why");
  CHECK(files().empty());
  const Uuid once = ask();
  REQUIRE(take_task(*app, "here", clock.wall())->has_value());
  start();
  pass();
  CHECK(read(once).state == TaskState::done);
}

TEST_CASE_METHOD(Fixture, "another instance's task is left to it") {
  const Uuid id = ask("there");
  pass();
  CHECK(read(id).state == TaskState::waiting);
}

TEST_CASE_METHOD(Fixture, "a task that is called off ends at its next report") {
  const Uuid waiting = ask(), running = ask();
  work = [&](TaskRun& run) -> Result<TaskEnd> {
    REQUIRE(run.file().write("half").ok());
    {
      PgTransaction tx(*app);
      REQUIRE(ask_to_cancel(tx, running, clock.wall()).value());
      REQUIRE(tx.commit().ok());
    }
    auto goes_on = run.progress(1, 2);
    REQUIRE_FALSE(goes_on.ok());
    return goes_on.error();
  };
  {
    PgTransaction tx(*app);
    REQUIRE(ask_to_cancel(tx, waiting, clock.wall()).value());
    REQUIRE(tx.commit().ok());
  }
  CHECK(read(waiting).state == TaskState::cancelled);
  pass();
  CHECK(read(running).state == TaskState::cancelled);
  CHECK(files().empty());
  PgTransaction tx(*app);
  CHECK_FALSE(ask_to_cancel(tx, running, clock.wall()).value());
}

TEST_CASE_METHOD(Fixture, "a full spool takes no more, and says so") {
  start(12);
  const Uuid first = ask(), second = ask();
  pass();
  CHECK(read(first).state == TaskState::done);
  CHECK(read(second).state == TaskState::done);
  CHECK(tasks->check_room().ok());
  const Uuid third = ask();
  pass();
  CHECK(read(third).state == TaskState::failed);
  CHECK(read(third).failure.starts_with("the spool is full: "));
  CHECK(files().size() == 2);
  start(10);
  pass();  // looks what is there
  CHECK(tasks->check_room().error().code == ErrorCode::limit);
  tasks->remove_file(first);
  CHECK(tasks->check_room().ok());
}

TEST_CASE_METHOD(Fixture, "a file goes when its time is up, unless it is kept, and so does one that is nobody's") {
  const Uuid old = ask();
  pass();
  work = [](TaskRun& run) -> Result<TaskEnd> {
    REQUIRE(run.file().write("x").ok());
    return TaskEnd{"{}", "kept.pdf", "application/pdf", true};
  };
  const Uuid kept = ask();
  pass();
  std::ofstream(folder + "/stray") << "?";
  clock.advance_ms(3'600'001);
  pass();
  CHECK(files() == std::vector{kept.text()});
  CHECK(read(old).is_file_gone);
  CHECK_FALSE(read(kept).is_file_gone);
  {
    PgTransaction tx(*app);
    REQUIRE(keep_file(tx, kept, false).ok());
    REQUIRE(tx.commit().ok());
  }
  clock.advance_ms(60'001);
  pass();
  CHECK(files().empty());
}

TEST_CASE_METHOD(Fixture, "a daemon that stops leaves its task for the next start") {
  work = [this](TaskRun& run) -> Result<TaskEnd> {
    tasks->stop();
    auto goes_on = run.progress(1, 2);
    REQUIRE_FALSE(goes_on.ok());
    return goes_on.error();
  };
  const Uuid id = ask();
  CHECK_FALSE(tasks->wait(id, 0));
  pass();
  CHECK(read(id).state == TaskState::running);
  work = [](TaskRun&) -> Result<TaskEnd> { return TaskEnd{}; };
  start();
  pass();
  CHECK(read(id).state == TaskState::done);
}
