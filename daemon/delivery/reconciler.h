// Looks for what fell between the steps: permits without a result, messages in doubt past their wait. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/metrics.h"
#include "message/message.h"
#include "message/route.h"
#include "store/messages.h"
#include "store/relay_scan.h"

namespace signet {

enum class DoubtPolicy { resend, fail, wait };  // wait: for an operator

struct ReconcilerSettings {
  int64_t overdue_ms = 40000;  // permit_start + request_timeout + skew
  int64_t doubt_wait_ms = 300000;
  int attempts_max = 8;  // a message in doubt is resent no more often than others are tried
  std::array<DoubtPolicy, 3> policy{DoubtPolicy::wait, DoubtPolicy::wait, DoubtPolicy::wait};  // sms, email, letter
  std::string instance;
};

class Reconciler {
 public:
  // `settle` hands overdue permits to a delivery loop, which records them as it records every result.
  Reconciler(PgOptions postgres, ReconcilerSettings settings, const Routes& routes, const Clock& clock, IdSource& ids,
             Log& log, Metrics& metrics, std::function<void(std::vector<Uuid>)> settle)
      : postgres_(std::move(postgres)),
        settings_(std::move(settings)),
        routes_(routes),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics),
        settle_(std::move(settle)) {}
  bool pass();

 private:
  void settle_doubts(Kind kind, DoubtPolicy policy);
  Result<void> decide_doubt(const OverduePermit& doubt, DoubtPolicy policy);
  void count();

  const PgOptions postgres_;
  const ReconcilerSettings settings_;
  const Routes& routes_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  std::function<void(std::vector<Uuid>)> settle_;
  std::unique_ptr<PgSession> session_;
  int64_t passes_ = 0;
};

}  // namespace signet
