// Looks for what fell between the steps: permits without a result, messages in doubt past their wait, messages that
// nothing will send or that were sent twice. One daemon does it for all. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/delivery/doubts.h"
#include "daemon/delivery/look_up.h"
#include "daemon/metrics.h"
#include "store/engine_store.h"

namespace signet {

struct ReconcilerSettings {
  int64_t overdue_ms = 40000;  // permit_start + request_timeout + skew
  int64_t grace_ms = 5000;     // after a start of PostgreSQL, or of this place: for results that waited
  int64_t doubt_wait_ms = 300000;
  int attempts_max = 8;
  std::array<DoubtPolicy, 3> policy{DoubtPolicy::wait, DoubtPolicy::wait, DoubtPolicy::wait};  // sms, email, letter
  std::string instance;
};

class Reconciler {
 public:
  struct Hooks {
    // Hands overdue permits to a delivery loop, which records them as it records every result.
    std::function<void(std::vector<Uuid>)> settle;
    std::function<void()> callbacks_came;  // a look-up was kept
    LookUps::Ask ask;
  };
  // `providers` by name, without those that are no longer configured.
  Reconciler(EngineStore& store, ReconcilerSettings settings, std::map<std::string, DoubtProvider> providers,
             PlanDue plan, const Keyring& keys, const Clock& clock, IdSource& ids, Log& log, Metrics& metrics,
             Hooks hooks);
  bool pass();

 private:
  bool leads();
  void settle_overdue();
  bool settle_doubts();  // true: there may be more
  std::map<Uuid, Found> look_up(const std::vector<Doubt>& doubts);
  bool decide(const std::vector<Doubt>& doubts, const std::map<Uuid, Found>& found);
  DoubtRules rules_of(const std::string& provider) const;
  void look_at_messages();
  bool count_messages(const Uuid& last);
  void count_due();

  EngineStore& store_;
  const ReconcilerSettings settings_;
  const std::map<std::string, DoubtProvider> providers_;
  const Doubts doubts_;
  LookUps look_ups_;
  const Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  const Hooks hooks_;
  int64_t passes_ = 0;
  std::optional<Tick> led_since_;
  Uuid overdue_after_, looked_at_;              // the due rows, and the messages, up to here in this round
  std::set<Uuid> lost_, duplicates_;            // counted already
  std::map<Status, int64_t> by_status_;         // of this round so far
  std::map<std::string, int64_t> unconfirmed_;  // by provider, likewise
};

}  // namespace signet
