// What systemd is told, and the sockets it hands over (sd_notify(3), sd_listen_fds(3)). Without systemd: nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace signet {

class Notify {  // any thread
 public:
  void ready(const std::string& status);
  void status(const std::string& status);
  void stopping();
  void watchdog();              // only when work goes on
  int64_t watchdog_ms() const;  // half of WatchdogSec; 0 if none is wanted
};

// Sockets by FileDescriptorName; each may be taken once. Empty without socket activation.
std::map<std::string, int> listen_fds();

}  // namespace signet
