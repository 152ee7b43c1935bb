// The rate of each provider, of all daemons together: tokens are leased from the shared bucket in chunks (Queue) and
// spent here, one a message, at its first byte. In any second no more leave than rate + burst + daemons x chunk, since
// a daemon never holds more than a chunk, what it has asked for included.
//   admission: reserve()            a message waits for its permit: no more of them than tokens are soon there for
//   first byte: spend()             or later, when wanted() has been leased
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "queue/queue.h"

namespace signet {

struct ProviderRate {
  double rate_per_s = 0;  // of all daemons together; 0: no limit
  double burst = 1;
};

struct TokenWish {  // of Queue::lease_tokens
  ProviderRate rate;
  int want = 0;
};

class TokenBank {  // one a daemon; any thread
 public:
  explicit TokenBank(const std::map<std::string, ProviderRate>& rates);  // who is not in it has no limit

  // False: too many wait already. `has_head_start`: critical and high, which find room where the others find none.
  bool reserve(const std::string& provider, bool has_head_start, Tick now);
  void unreserve(const std::string& provider);  // reserved, and not to be spent after all
  // Spends a token and ends its reservation. False: there is none now.
  bool spend(const std::string& provider, Tick now);
  Tick again_at(const std::string& provider, Tick now) const;  // after a `false`

  // After a `false`: what to lease, if it is worth it now. Who gets it must answer with leased() or refused().
  std::optional<TokenWish> wanted(const std::string& provider, Tick now);
  void leased(const std::string& provider, const TokenLease& lease, Tick now);
  // No Redis: this daemon takes its own part, the rate divided by the daemons that live, until a lease comes again.
  void refused(const std::string& provider, Tick now);
  void set_live_daemons(int count);  // at least 1, this one included

 private:
  struct Chunk {
    int left = 0;
    Tick void_at;
  };
  struct Purse {
    ProviderRate rate;
    int chunk = 1;  // held at most
    std::deque<Chunk> held;
    int reserved = 0;  // admitted, not begun
    bool is_asked = false;
    Tick next_ask;
    std::optional<double> own_tat_us;  // of the own bucket, while there is no Redis
  };
  Purse* find(const std::string& provider);
  const Purse* find(const std::string& provider) const;
  static int in_hand(Purse& purse, Tick now);
  void put(Purse& purse, const TokenLease& lease, Tick now) const;

  mutable std::mutex lock_;
  std::map<std::string, Purse> purses_;
  int live_daemons_ = 1;
};

}  // namespace signet
