// What people and applications do while the nemesis acts: messages put into PostgreSQL as the API's steps leave them,
// others through the API of whichever daemon lives, one critical one a second, cancels, resolves, requeues. Keeps what
// it was told. Its threads run from construction to stop().
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "message/message.h"
#include "tests/chaos/fleet.h"

namespace signet::chaos {

struct LoadSettings {
  double direct_per_s = 310;  // what falls into outages of PostgreSQL is made up for by the rest
  double api_per_s = 30;
  double criticals_per_s = 1;
  double cancels_per_s = 2;
  double resolves_per_s = 1;             // of messages in doubt, by a person: sent again, or given up
  double requeues_per_s = 0.1;           // of failed ones
  double mail_share = 0.05;              // of the direct ones
  Priority priority = Priority::normal;  // of most direct ones; an eighth is high
  bool is_even = false;                  // all of one priority, SMS only, on the first lane: a measurement's load
  bool catches_up = true;                // what a stall put off comes at once after it; else it is not there at all
};

struct Critical {
  WallTime asked_at, approved_at;  // before the approving request was sent, and when its 200 was there
};

class Load {
 public:
  Load(Fleet& fleet, LoadSettings settings, Tokens tokens, uint64_t seed);
  ~Load();
  void stop();  // what is under way is ended; idempotent

  // After stop(). A message is acknowledged when COMMIT, or a 2xx, said so.
  const std::vector<Uuid>& acknowledged() const { return acknowledged_; }
  const std::vector<std::pair<Uuid, WallTime>>& cancelled() const { return cancelled_; }
  const std::map<Uuid, Critical>& criticals() const { return criticals_; }
  int64_t by_api() const { return by_api_; }
  int64_t resolved() const { return resolved_; }
  int64_t requeued() const { return requeued_; }
  int64_t refusals() const { return refusals_; }  // of the API: 503 while a server is away, and the like
  std::atomic<int64_t> accepted{0};               // so far, any thread

 private:
  void insert_directly();
  void use_api(int thread);
  void be_critical();
  void cancel();
  void resolve();
  void requeue();
  // One message that is so, as PostgreSQL has it now; none if there is none, or no PostgreSQL.
  std::optional<Uuid> one_where(const std::string& condition) const;
  bool wait_until_due(WallTime start, int64_t n, double per_s);  // false: stopping
  int a_daemon();
  // Draft and send-directly, each repeated with its key until an answer came; the id if both were acknowledged.
  std::optional<Uuid> hand_over(const std::string& draft, Critical* times);
  void told(const Uuid& id);

  Fleet& fleet_;
  const LoadSettings settings_;
  const Tokens tokens_;
  const uint64_t seed_;
  std::atomic<bool> is_stopping_{false};
  std::mutex lock_;
  std::vector<Uuid> acknowledged_;
  std::vector<std::pair<Uuid, WallTime>> cancelled_;
  std::map<Uuid, Critical> criticals_;
  std::deque<Uuid> newest_;  // candidates for a cancel
  std::atomic<int64_t> by_api_{0}, resolved_{0}, requeued_{0}, refusals_{0}, keys_{0}, turns_{0};
  std::vector<std::thread> threads_;
};

}  // namespace signet::chaos
