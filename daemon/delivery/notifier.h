// Tells the services that handed messages over what becomes of them: signed Standard Webhooks, made from the audit log
// in its order, at least once each. One daemon of all reads the log; each service is told on a thread of its own, so
// that a receiver that hangs holds up no other. A webhook keeps its id over all its tries: receivers drop what they
// know, and order by `data.seq`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "daemon/metrics.h"
#include "providers/http_call.h"
#include "store/place.h"
#include "store/status_notices.h"

namespace signet {

struct StatusReceiver {
  std::string service;  // whose messages: the name of a service account
  std::string url;
  std::string key;  // that signs: providers/standard_webhook.h
};

struct NotifierSettings {
  std::vector<StatusReceiver> receivers;  // each service once
  int64_t call_ms = 10'000;               // of one webhook
  int at_once = 8;                        // webhooks to one receiver at the same time
  // Between tries, as Standard Webhooks advises; after the last it is a dead letter.
  std::vector<int64_t> again_ms{5'000,      300'000,    1'800'000,  7'200'000, 18'000'000,
                                36'000'000, 50'400'000, 72'000'000, 86'400'000};
};

class Notifier {
 public:
  Notifier(PgOptions postgres, NotifierSettings settings, const Clock& clock, IdSource& ids, Log& log, Metrics& metrics,
           HttpCaller call = http_call);
  ~Notifier();

  // Makes notices of what the log has to tell. Called every second or two, or the place is lost to another. True: there
  // is more of it.
  bool pass();
  // Tells one receiver what is due, while this daemon has the place. One thread for each. True: there may be more.
  bool tell(size_t receiver);
  size_t receivers() const { return settings_.receivers.size(); }

 private:
  struct Line {  // to one receiver; its thread's own
    std::unique_ptr<PgSession> session;
    std::unique_ptr<ThreadPool> threads;
    int failures = 0;  // in a row: then the receiver rests
    std::optional<Tick> rests_until;
  };
  Result<bool> read(const std::string& service);
  Result<bool> tell(const StatusReceiver& receiver, Line& line);
  Result<void> record(PgTransaction& tx, const StatusReceiver& receiver, const StatusNotice& notice,
                      const Result<HttpReply>& reply);
  void rest(Line& line, const StatusReceiver& receiver, const std::vector<Result<HttpReply>>& answers);
  void lose(const Error& error);

  const NotifierSettings settings_;
  Place place_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const HttpCaller call_;
  std::atomic<bool> is_leader_ = false;
  std::vector<std::unique_ptr<Line>> lines_;
  std::optional<Tick> forgot_at_;
  std::string told_;
};

}  // namespace signet
