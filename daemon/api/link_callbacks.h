// What providers tell over the links that we keep to them (TransportOptions::on_unasked), kept as what they post is: it
// is acknowledged after the COMMIT. What waits at the same time goes into one transaction.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/api/api.h"
#include "daemon/api/callback_ledger.h"
#include "daemon/delivery/worker.h"
#include "providers/transport.h"

namespace signet::api {

class LinkCallbacks {
 public:
  using Done = std::function<void(UnaskedEnd)>;
  explicit LinkCallbacks(const ApiServices& services);  // they outlive this
  ~LinkCallbacks() { stop(); }
  // Any thread. `done` once: on this one's thread, or, where there is no room or stop() was called, at once.
  void take(const std::string& provider, CallbackRequest request, Done done);
  void stop();  // waits for what is being kept; what then waits is to be told again

 private:
  struct Told {
    std::string provider;
    CallbackRequest request;
    Done done;
  };

  bool keep_waiting();
  UnaskedEnd read(const Told& told, std::vector<ToldCallback>& rows) const;
  Result<void> act_on(const Told& told, const Inbound& inbound) const;
  Result<int> keep(const std::vector<ToldCallback>& rows);
  UnaskedEnd end_of(const Told& told, const Error& error) const;

  const ApiServices& services_;
  CallbackLedger ledger_;
  std::mutex lock_;
  std::deque<Told> waiting_;
  bool is_stopped_ = false;
  std::unique_ptr<Worker> worker_;
};

}  // namespace signet::api
