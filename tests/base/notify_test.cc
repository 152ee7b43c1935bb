#include "base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>

#include "tests/base/files.h"

using namespace signet;

namespace {

class Systemd {  // its end of $NOTIFY_SOCKET
 public:
  Systemd() {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, (dir_ / "notify").c_str(), sizeof at.sun_path - 1);
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    ::setenv("NOTIFY_SOCKET", at.sun_path, 1);
  }
  ~Systemd() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }
  std::string heard() const {
    char octets[4096];
    const ssize_t size = ::recv(fd_, octets, sizeof octets, 0);
    return size < 0 ? "nothing" : std::string(octets, static_cast<size_t>(size));
  }

 private:
  TestDir dir_;
  int fd_ = -1;
};

}  // namespace

TEST_CASE("systemd hears ready, status, stopping and the watchdog") {
  const Systemd systemd;
  Notify notify;
  notify.ready("serving");
  CHECK(systemd.heard() == "READY=1\nSTATUS=serving");
  notify.status("12 in flight");
  CHECK(systemd.heard() == "STATUS=12 in flight");
  notify.watchdog();
  CHECK(systemd.heard() == "WATCHDOG=1");
  notify.stopping();
  CHECK(systemd.heard() == "STOPPING=1");
}

TEST_CASE("a status of two lines is no second assignment") {
  const Systemd systemd;
  Notify().status("a\nREADY=1");
  CHECK(systemd.heard() == "STATUS=a READY=1");
}

TEST_CASE("without systemd nothing is said and nothing fails") {
  Notify notify;
  notify.ready("x");
  notify.watchdog();
  CHECK(notify.watchdog_ms() == 0);
  CHECK(listen_fds().empty());
}

TEST_CASE("the watchdog is fed at half of WatchdogSec") {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  CHECK(Notify().watchdog_ms() == 15'000);
  ::setenv("WATCHDOG_PID", "1", 1);
  CHECK(Notify().watchdog_ms() == 0);
  ::unsetenv("WATCHDOG_USEC");
  ::unsetenv("WATCHDOG_PID");
}

TEST_CASE("sockets are taken once, by name, also when two share it") {
  // In a child, because the descriptors have to be 3, 4 and 5.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (int fd = 3; fd < 6; fd++) ::dup2(STDERR_FILENO, fd);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "3", 1);
    ::setenv("LISTEN_FDNAMES", "api:console:api", 1);
    const bool as_expected =
        listen_fds() == std::map<std::string, int>{{"api", 3}, {"console", 4}, {"api-2", 5}} && listen_fds().empty();
    ::_exit(as_expected ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
