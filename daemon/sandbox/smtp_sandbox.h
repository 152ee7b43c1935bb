// Plays an SMTP relay (RFC 5321) that takes mail from anyone and delivers it nowhere. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/stream.h"
#include "daemon/sandbox/journal.h"

namespace signet::sandbox {

struct SmtpOptions {
  Endpoint listen{"127.0.0.1", 2525};
  std::shared_ptr<TlsContext> tls;  // null: no STARTTLS
  std::string host = "sandbox.signet.invalid";
  size_t size_max = 25 << 20;
  int64_t idle_ms = 300000;
  size_t connections = 1024;
  bool has_dsn = true;  // RFC 3461: then a client names its attempt by ENVID
  // Takes a report (RFC 3464, RFC 5965) for the sender after that long, and says whether it came through. Empty: nobody
  // is told anything.
  std::function<void(std::string report, int64_t delay_ms, std::function<void(bool is_taken)> done)> report = {};
  int64_t report_ms = 5;
  int64_t late_ms = 3000;
};

class SmtpSandbox {
 public:
  static Result<std::unique_ptr<SmtpSandbox>> start(Loop& loop, const Clock& clock, Random& random, Journal& journal,
                                                    SmtpOptions options);
  ~SmtpSandbox();
  SmtpSandbox(const SmtpSandbox&) = delete;
  SmtpSandbox& operator=(const SmtpSandbox&) = delete;
  int port() const { return listener_->port(); }

 private:
  class Session;
  struct Chain;
  SmtpSandbox(Loop& loop, const Clock& clock, Random& random, Journal& journal, SmtpOptions options);
  void next_report(std::shared_ptr<Chain> chain, int64_t delay_ms);
  void accept(std::unique_ptr<Stream> stream);

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  Journal& journal_;
  const SmtpOptions options_;
  std::unordered_map<std::string, int> seen_;  // how often a recipient with "first time" was refused
  std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;
  uint64_t last_session_ = 0;
  std::unique_ptr<Listener> listener_;
};

}  // namespace signet::sandbox
