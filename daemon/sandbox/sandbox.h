// The providers to try things against, on loopback: the HTTP API of each (dialects.h), an SMTP relay, an SMSC; with a
// page that shows what arrived. What is done with a message is decided by its recipient's ending (endings.h).
//
//   POST ...                                        a provider's API, under its own path
//   GET  /                                          the page
//   GET  /sandbox/messages                          newest first, JSON: what the page shows
//   GET  /sandbox/endings                           the table, JSON
//   GET  /sandbox/journal/summary                   {"accepted", "distinct", "twice": [ids], "repeatedAttempts"}
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/stream.h"
#include "daemon/sandbox/account.h"

namespace signet::sandbox {

struct Options {
  Endpoint http_listen{"127.0.0.1", 8425};
  Endpoint smtp_listen{"127.0.0.1", 2525};
  Endpoint smpp_listen{"127.0.0.1", 2775};
  // Whose requests are taken: checked against these, and called back signed by them. No SMSC without one of `smpp`.
  std::vector<Account> accounts;
  // Where events go that have no URL of their own: <webhooks_url>/webhooks/<account>. Empty: nowhere.
  std::string webhooks_url;
  std::string mail_account;  // whose delivery reports they are; empty: the relay sends none
  std::string journal_path;  // empty: in memory only
  bool fsync_journal = false;
  std::shared_ptr<TlsContext> smtp_tls;  // null: no STARTTLS
  // Delays, so that tests need not wait.
  int64_t callback_ms = 5;          // before the first status, and between one taken and the next
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
  int smpp_port() const;  // 0: there is none
  std::string summary_json() const;

 private:
  struct Impl;
  explicit Sandbox(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::sandbox
