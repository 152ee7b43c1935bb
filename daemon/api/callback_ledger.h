// What providers call back, kept. What comes at the same time goes into one transaction: receipts by the thousand do
// not cost a COMMIT each.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "providers/provider.h"
#include "store/callbacks.h"
#include "store/keyring.h"
#include "store/pg_session.h"

namespace signet::api {

struct ToldCallback {
  CallbackRow row;  // but for its seal
  std::string body;
};

// What a receipt says, as the ledger takes it; `body` is kept for it, sealed.
ToldCallback told_by(IdSource& ids, const std::string& provider, const Receipt& receipt, std::string body,
                     WallTime received_at);

class CallbackLedger {  // any thread
 public:
  // All outlive this.
  CallbackLedger(PgPool& pool, const Keyring& keyring, Log& log) : pool_(pool), keyring_(keyring), log_(log) {}

  // Seals each body and returns after the COMMIT: how many were not in the ledger yet. Whoever finds nobody at it
  // writes for all who wait. `unavailable`: whether they are in it is not known; told again they are kept once.
  Result<int> keep(std::vector<ToldCallback> told);

 private:
  struct Turn;
  static Result<int> own_of(const Turn& turn, const Result<std::set<Uuid>>& added);
  void write_waiting(std::unique_lock<std::mutex>& guard);
  Result<std::set<Uuid>> write(const std::vector<ToldCallback*>& told);

  PgPool& pool_;
  const Keyring& keyring_;
  Log& log_;
  std::mutex lock_;
  std::condition_variable done_;
  std::deque<Turn*> waiting_;
  bool is_writing_ = false;
};

}  // namespace signet::api
