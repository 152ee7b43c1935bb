// What the sandbox saw: an append-only file of JSON lines, one per message offered, written before it is answered. The
// oracle for double sends in tests. It holds recipients, and its page texts: it is a sandbox, never a place for
// patients.
//
//   {"n":1,"at":"2026-11-22T00:41:26.000000Z","channel":"sms","recipient":"+61491570006",
//    "echo":"0193b3c4-....1","verdict":"accepted","answer":"201","reference":"SM0123..."}
//
// verdict: accepted (we have it, whether the sender learned so or not) | repeated (its idempotency key came before, and
// it is answered as then) | refused | throttled | hung. answer: the code that was answered, or "none", "reset",
// "closed". echo: messageId.attempt, or messageId, if the callback URL, what the provider hands back, the envelope id
// or the Message-ID gives it, else "".
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace signet::sandbox {

struct Arrival {
  uint64_t n = 0;  // set by the journal, like `at`
  WallTime at;
  std::string channel;  // "sms" or "email"
  std::string recipient;
  std::string sender;
  std::string subject;
  std::string text;
  std::string echo;
  std::string verdict;
  std::string answer;
  std::string reference;
  std::vector<std::string> statuses;  // called back so far
};

class Journal {
 public:
  // Empty path: kept in memory only. An existing file is read for the summary and appended to.
  static Result<std::unique_ptr<Journal>> open(const Clock& clock, const std::string& path, bool fsync);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // On disk when it returns. The oracle must not have holes: a failed write aborts.
  std::shared_ptr<Arrival> record(Arrival arrival);

  struct Summary {
    uint64_t accepted = 0;
    uint64_t distinct = 0;                       // accepted, by message id (or reference, without an echo)
    std::vector<std::string> twice;              // accepted more than once, whatever the attempt
    std::vector<std::string> repeated_attempts;  // messageId.attempt offered more than once, whatever the verdict
  };
  Summary summary() const;
  std::string summary_json() const;  // {"accepted", "distinct", "twice", "repeatedAttempts"}
  std::string latest_json() const;   // newest first, at most kLatest

  static constexpr size_t kLatest = 200;

 private:
  Journal(const Clock& clock, bool fsync) : clock_(clock), fsync_(fsync) {}
  Result<void> read_existing(const std::string& path);
  void count(const Arrival& arrival);

  const Clock& clock_;
  const bool fsync_;
  int fd_ = -1;
  uint64_t last_n_ = 0;
  uint64_t accepted_ = 0;
  std::unordered_map<std::string, uint32_t> accepted_ids_;
  std::unordered_map<std::string, uint32_t> attempts_;
  std::deque<std::shared_ptr<Arrival>> latest_;
};

// "messageId.attempt" or "messageId" found anywhere in the text (a URL, a Message-ID, an envelope id); else "".
std::string echo_in(std::string_view text);

}  // namespace signet::sandbox
