// The provider to try things against: Twilio's API and an SMTP relay on loopback, with a page that shows what arrived.
// What it does with a message is decided by the recipient's ending: see the table in endings.h.
//
//   POST /2010-04-01/Accounts/{sid}/Messages.json   Twilio
//   GET  /                                          the page
//   GET  /sandbox/messages                          newest first, JSON: what the page shows
//   GET  /sandbox/endings                           the table, JSON
//   GET  /sandbox/journal/summary                   {"accepted", "distinct", "twice": [ids], "repeatedAttempts"}
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/stream.h"

namespace signet::sandbox {

struct Options {
  Endpoint http_listen{"127.0.0.1", 8425};
  Endpoint smtp_listen{"127.0.0.1", 2525};
  std::string account_sid;   // "AC..."
  Secret auth_token;         // checked on requests, signs callbacks
  std::string journal_path;  // empty: in memory only
  bool fsync_journal = false;
  std::shared_ptr<TlsContext> smtp_tls;  // null: no STARTTLS
  // Delays, so that tests need not wait.
  int64_t callback_ms = 5;          // between statuses
  int64_t late_ms = 3000;           // endings 0005 and 0006
  int64_t callback_retry_ms = 250;  // after a callback that was not taken; doubled each time
  int callback_tries = 8;
};

// Loop thread only; lives on the loop until destroyed.
class Sandbox {
 public:
  static Result<std::unique_ptr<Sandbox>> start(Loop& loop, const Clock& clock, Random& random, Log& log,
                                                Options options);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  int http_port() const;
  int smtp_port() const;
  std::string summary_json() const;

 private:
  struct Impl;
  explicit Sandbox(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::sandbox
