// The loops that deliver, and what looks after them: relay, reconciler, callbacks, heartbeat; what operators pause, and
// what services are told. Made, started, stopped and joined by the main loop's thread, in the order of the methods
// below; what is marked may be called from any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/delivery/callbacks.h"
#include "daemon/delivery/delivery_loop.h"
#include "daemon/delivery/heartbeat.h"
#include "daemon/delivery/notifier.h"
#include "daemon/delivery/pause_watch.h"
#include "daemon/delivery/reconciler.h"
#include "daemon/delivery/worker.h"
#include "daemon/evidence/receivers.h"
#include "daemon/parts.h"

namespace signet {

class Deliveries {
 public:
  struct Means {  // outlive this
    const RedisOptions& redis;
    const Routes& routes;
    const DuePlan& due_plan;
    Spool& result_spool;
    const std::map<std::string, LoopProvider>& providers;
    const Receivers& receivers;
    const NotifierSettings& notifier;
  };

  // `unasked`: as Shared's.
  Deliveries(const Parts& parts, const Means& means, const decltype(Shared::unasked)& unasked);
  void start_care();
  void start_notifier();
  void start_loops();

  // What stops only begins to: joining waits for it.
  void stop_care();
  void stop_watches();                                                      // of pauses and of what services are told
  void stop_loops(int64_t deadline_ms, const std::function<void()>& done);  // `done` once, on the last loop's thread
  void hurry();                                                             // what is still under way

  void join_care();
  void join_watches();
  void end_loops();  // after `done`

  // Any thread, while the loops are there:
  void offer_soon(std::vector<Hint> hints);  // lost if Redis is away: the relay finds them
  void callback_came() { callbacks_worker_->wake(); }
  bool is_busy() const;
  bool is_up(const char* gauge) const;  // on every loop
  size_t loops() const { return loops_.size(); }

  bool have_turned();  // every loop, since it was asked last. One thread

 private:
  void settle_overdue(std::vector<Uuid> ids, size_t loop);

  const Parts parts_;
  const std::unique_ptr<Pace> pace_;
  std::vector<std::unique_ptr<DeliveryLoop>> loops_;
  std::atomic<size_t> next_loop_ = 0, loops_running_ = 0;
  std::vector<int64_t> beats_seen_;
  const std::unique_ptr<EngineStore> relay_store_, reconciler_store_, callbacks_store_, beat_store_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Reconciler> reconciler_;
  std::unique_ptr<Callbacks> callbacks_;
  std::unique_ptr<Heartbeat> heartbeat_;
  std::unique_ptr<PauseWatch> pause_watch_;
  std::unique_ptr<Notifier> notifier_;  // none: no service is told
  std::unique_ptr<Worker> callbacks_worker_, heartbeat_worker_, relay_worker_, reconciler_worker_, notifier_worker_,
      pause_worker_;
  std::vector<std::unique_ptr<Worker>> tellers_;  // of the notifier, one a service
};

}  // namespace signet
