// Whom the daemon itself writes to: what the configuration names, nobody else. Made once at start; any thread.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/secret.h"

namespace signet {

struct Receiver {  // of alerts
  std::string name;
  std::string mail;     // in normal form; or
  std::string webhook;  // this URL, signed with
  Secret secret;        // this
};

struct Receivers {
  std::vector<Receiver> alerts;
  std::set<std::string> report_mails;    // in normal form
  std::set<std::string> report_folders;  // absolute

  const Receiver* find(const std::string& name) const {
    const auto found = std::find_if(alerts.begin(), alerts.end(), [&](const auto& one) { return one.name == name; });
    return found == alerts.end() ? nullptr : &*found;
  }
  // Every address that a message by `system` may go to.
  std::set<std::string> mails() const {
    std::set<std::string> out = report_mails;
    for (const auto& one : alerts)
      if (!one.mail.empty()) out.insert(one.mail);
    return out;
  }
};

}  // namespace signet
