// What is a provider's or the account's fault goes to the log, once until it changes; what is a message's does not.
#pragma once

#include <string>

#include "base/log.h"
#include "message/outcome.h"

namespace signet {

class FailureLog {  // of one transport, on its loop
 public:
  FailureLog(Log& log, std::string provider) : log_(log), provider_(std::move(provider)) {}
  // `detail`: what the library or the other side said; nothing of a patient.
  void tell(const Outcome& outcome, const std::string& detail);
  void answered() { last_reason_.clear(); }  // the provider is there: the next failure is told again

 private:
  Log& log_;
  const std::string provider_;
  std::string last_reason_;
};

}  // namespace signet
