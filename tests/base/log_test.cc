#include "base/log.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "tests/base/files.h"

using namespace signet;
using Catch::Matchers::Contains;

static_assert(!std::is_convertible_v<Secret, std::string>);  // so it cannot be a field's value

namespace {

// What standard error got meanwhile.
std::string said(const std::function<void()>& what) {
  const TestDir dir;
  const std::string file = dir / "stderr";
  const int kept = ::dup(STDERR_FILENO);
  const int to = ::open(file.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  REQUIRE(kept >= 0);
  REQUIRE(::dup2(to, STDERR_FILENO) >= 0);
  what();
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  ::close(to);
  return read_file(file);
}

// The line after its time, which is checked here.
std::string text_of(LogLevel level, std::string_view text, std::initializer_list<LogField> fields = {}) {
  const std::string line = said([&] { make_log(LogLevel::debug, LogFormat::text)->write(level, text, fields); });
  REQUIRE(line.size() > 25);
  CHECK(line[24] == ' ');
  CHECK(line[19] == '.');
  CHECK(parse_rfc3339(line.substr(0, 24)).ok());
  CHECK(line.back() == '\n');
  return line.substr(25, line.size() - 26);
}

nlohmann::json json_of(std::string_view text, std::initializer_list<LogField> fields = {}) {
  return nlohmann::json::parse(said([&] { make_log(LogLevel::info, LogFormat::json)->info(text, fields); }));
}

}  // namespace

TEST_CASE("a line of text is time, level, text and fields") {
  CHECK(text_of(LogLevel::info, "delivered", {{"provider", "acme"}, {"took_ms", "12"}}) ==
        "info delivered provider=acme took_ms=12");
  CHECK(text_of(LogLevel::debug, "x") == "debug x");
  CHECK(text_of(LogLevel::warn, "x") == "warn x");
  CHECK(text_of(LogLevel::error, "x") == "error x");
}

TEST_CASE("a value with spaces, quotes or nothing is quoted") {
  CHECK(text_of(LogLevel::info, "x", {{"a", "two words"}, {"b", ""}, {"c", "k=v"}, {"d", "say \"hi\""}, {"e", "ü"}}) ==
        "info x a=\"two words\" b=\"\" c=\"k=v\" d=\"say \\\"hi\\\"\" e=ü");
}

TEST_CASE("control characters and broken UTF-8 can neither forge a line nor steer a terminal") {
  CHECK(text_of(LogLevel::info, "a\n2026 error b\r\t\x1b[31m\x7f") == "info a\\n2026 error b\\r\\t\\x1b[31m\\x7f");
  CHECK(text_of(LogLevel::info, "x",
                {{"v",
                  "\xc2\x9b"
                  "31m"},
                 {"w", "\xff"},
                 {"u", "a\\n"},
                 {"z", "%v{}"}}) == "info x v=\\x9b31m w=\\xff u=a\\\\n z=%v{}");
}

TEST_CASE("a line of JSON is one object with time, level, text and the fields as strings") {
  const auto line = json_of("it said \"no\"\n", {{"provider", "acme"}, {"raw", "\xff\x01"}, {"text", "mine"}});
  CHECK(parse_rfc3339(line["time"].get<std::string>()).ok());
  CHECK(line["level"] == "info");
  CHECK(line["text"] == "it said \"no\"\n");
  CHECK(line["provider"] == "acme");
  CHECK(line["raw"] == "\xef\xbf\xbd\x01");
  CHECK(line["text_"] == "mine");
  CHECK(line.size() == 6);
}

TEST_CASE("what is below the level is not said") {
  CHECK(said([] {
          const auto log = make_log(LogLevel::warn, LogFormat::text);
          log->debug("a");
          log->info("b");
        }).empty());
  const std::string lines = said([] {
    const auto log = make_log(LogLevel::warn, LogFormat::json);
    log->info("no");
    log->warn("yes");
    log->error("yes");
  });
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
}

TEST_CASE("lines of many threads stay whole") {
  const std::string lines = said([] {
    const auto log = make_log(LogLevel::info, LogFormat::json);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
      threads.emplace_back([&log, t] {
        for (int i = 0; i < 200; i++) log->info("tick", {{"thread", std::to_string(t)}});
      });
    for (auto& thread : threads) thread.join();
  });
  std::istringstream each(lines);
  std::string line;
  int count = 0;
  for (; std::getline(each, line); count++) CHECK(nlohmann::json::parse(line)["text"] == "tick");
  CHECK(count == 800);
}

TEST_CASE("a standard error that is not the journal's gets text, whatever the variable says") {
  ::setenv("JOURNAL_STREAM", "1:2", 1);
  const std::string line = said([] { make_log(LogLevel::info, LogFormat::automatic)->info("hello"); });
  ::unsetenv("JOURNAL_STREAM");
  CHECK(line.find("Z info hello\n") != std::string::npos);
}

// In a child with a /run of its own, where the test plays the journal.
TEST_CASE("the journal gets priority, message and fields of its own") {
  int heard[2];
  REQUIRE(::pipe(heard) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strcpy(at.sun_path, "/run/systemd/journal/socket");
    const int journal = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, nullptr) != 0 || ::mkdir("/run/systemd", 0755) != 0 ||
        ::mkdir("/run/systemd/journal", 0755) != 0 ||
        ::bind(journal, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
      ::_exit(77);
    struct stat info {};
    ::fstat(STDERR_FILENO, &info);
    ::setenv("JOURNAL_STREAM", (std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino)).c_str(), 1);
    make_log(LogLevel::info, LogFormat::automatic)->warn("two\nlines", {{"provider", "acme"}, {"took_ms", "7"}});
    char octets[4096];
    const ssize_t size = ::recv(journal, octets, sizeof octets, MSG_DONTWAIT);
    ::_exit(size > 0 && ::write(heard[1], octets, static_cast<size_t>(size)) == size ? 0 : 1);
  }
  ::close(heard[1]);
  std::string entry(4096, '\0');
  const ssize_t size = ::read(heard[0], entry.data(), entry.size());
  ::close(heard[0]);
  entry.resize(size > 0 ? static_cast<size_t>(size) : 0);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    WARN("not allowed to mount: the journal is not tested here");
    return;
  }
  CHECK(status == 0);
  CHECK_THAT(entry, Contains("PRIORITY=4\n") && Contains("SIGNET_PROVIDER=acme\n") && Contains("SIGNET_TOOK_MS=7\n"));
  CHECK_THAT(entry, Contains(std::string("MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n", 26)));
}
