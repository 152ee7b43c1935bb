#include "base/notify.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>

namespace signet {
namespace {

// One assignment a line (sd_notify(3)): a newline in the text would begin another.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\0'; }, ' ');
  return text;
}

}  // namespace

void Notify::ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + one_line(status)).c_str()); }
void Notify::status(const std::string& status) { sd_notify(0, ("STATUS=" + one_line(status)).c_str()); }
void Notify::stopping() { sd_notify(0, "STOPPING=1"); }
void Notify::watchdog() { sd_notify(0, "WATCHDOG=1"); }

int64_t Notify::watchdog_ms() const {
  uint64_t us = 0;
  return sd_watchdog_enabled(0, &us) > 0 ? static_cast<int64_t>(us / 2000) : 0;
}

std::map<std::string, int> listen_fds() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);  // 1: forget the variables, so that each is taken once
  std::map<std::string, int> found;
  for (int i = 0; i < count; i++) {
    std::string name = names[i];
    // Several ListenStream= of one unit share its name.
    for (int n = 2; found.contains(name); n++) name = std::string(names[i]) + "-" + std::to_string(n);
    found[name] = SD_LISTEN_FDS_START + i;
  }
  for (int i = 0; i < count; i++) std::free(names[i]);
  std::free(names);
  return found;
}

}  // namespace signet
