// What the judge saw, on disk before anybody is answered: a JSON line a request (daemon/sandbox/journal.h's, and
// "provider", "key", "effect"), stamped as it is read, and with "since", before which it cannot have come: a judge that
// the machine left standing for two seconds does not call what waited for it late. A thread of its own writes, all
// lines that came meanwhile under one fdatasync: a slow disk makes the answers late and no stamp. Loop thread only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/thread_pool.h"

namespace signet::chaos {

struct Offer {  // a request as it came
  std::string provider;
  std::string echo;  // messageId.attempt
  std::string key;   // of idempotency; empty: none
  std::string verdict;
  std::string answer;
};

struct Taken {
  std::string reference;
  bool is_repeat = false;  // the key was known: no effect, the first reply again
};

class JudgeJournal {
 public:
  // Appends; what an earlier run of the judge wrote is read first, so that it forgets no key. Throws.
  JudgeJournal(Loop& loop, const Clock& clock, const std::string& path);
  ~JudgeJournal();
  JudgeJournal(const JudgeJournal&) = delete;
  JudgeJournal& operator=(const JudgeJournal&) = delete;

  // `answer` runs in a later round, when the line is on disk. What is accepted under a key that is known is a repeat.
  Taken add(const Offer& offer, std::function<void()> answer);
  void flush();  // as each round begins
  // The reference under which that provider took the attempt, or the key; "" if it did not.
  std::string find(const std::string& provider, const std::string& echo_or_key) const;
  uint64_t requests() const { return n_; }
  uint64_t effects() const { return effects_; }

 private:
  void remember(const Offer& offer, const std::string& reference);
  Loop& loop_;
  const Clock& clock_;
  int fd_ = -1;
  uint64_t n_ = 0, effects_ = 0;
  // When the last rounds began. A connection is accepted in one and read in the next: what is read in this one was not
  // there when the one before the last began.
  std::array<WallTime, 3> rounds_;
  std::unordered_map<std::string, std::string> taken_;  // "provider echo" and "provider key" -> reference
  std::string lines_;
  std::vector<std::function<void()>> answers_;
  bool is_writing_ = false;
  std::unique_ptr<ThreadPool> writer_ = std::make_unique<ThreadPool>(1, 1);
};

}  // namespace signet::chaos
