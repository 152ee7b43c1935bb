#include "base/crash_point.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>

using namespace signet;

namespace {

// In a child, since what is armed stays armed: its exit status, or 128 + the signal that ended it.
int status_of(const std::function<int()>& child) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) ::_exit(child());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int pass_three_times() {
  SIGNET_CRASH_POINT(opened);
  SIGNET_CRASH_POINT(before_ack);
  SIGNET_CRASH_POINT(before_ack);
  SIGNET_CRASH_POINT(before_ack);
  return 7;
}

}  // namespace

TEST_CASE("nothing happens at a crash point that is not armed") { CHECK(status_of(pass_three_times) == 7); }

TEST_CASE("an armed crash point ends the process by SIGKILL, the time that was said") {
  for (const char* where : {"before_ack", "before_ack:1", "before_ack:3", "opened"})
    CHECK(status_of([where] { return arm_crash(where).ok() ? pass_three_times() : 1; }) == 128 + SIGKILL);
  for (const char* where : {"before_ack:4", "opened:2", "nacked"})
    CHECK(status_of([where] { return arm_crash(where).ok() ? pass_three_times() : 1; }) == 7);
}

TEST_CASE("what names no crash point, or no time, is refused and says where the names are") {
  for (const char* where : {"", "none", "befor_ack", "before_ack:", "before_ack:0", "before_ack:-1", "before_ack:1x",
                            "before_ack:99999999999", ":1"}) {
    INFO(where);
    const auto armed = arm_crash(where);
    REQUIRE_FALSE(armed.ok());
    CHECK_THAT(armed.error().text, Catch::Contains("signetd crash-points"));
  }
}

TEST_CASE("each crash point has a name of its own and says what has happened") {
  const auto points = crash_points();
  REQUIRE(points.size() > 20);
  for (size_t i = 0; i < points.size(); i++) {
    INFO(points[i].name);
    CHECK(points[i].text.size() > 10);
    for (size_t j = 0; j < i; j++) CHECK(points[i].name != points[j].name);
  }
}
