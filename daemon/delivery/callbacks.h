// Applies what providers called back: matches, lets rank decide, records a confirmation and its event. What precedes
// our own result, or knows no message, is kept and tried again (design: engine, "Callbacks"). One thread.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/random.h"
#include "daemon/metrics.h"
#include "store/callbacks.h"
#include "store/messages.h"

namespace signet {

class Callbacks {
 public:
  Callbacks(PgOptions postgres, const Clock& clock, IdSource& ids, Log& log, Metrics& metrics, std::string instance)
      : postgres_(std::move(postgres)),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics),
        instance_(std::move(instance)) {}
  // Applies one batch. True: there may be more.
  bool apply();

 private:
  Result<void> apply_one(PgTransaction& tx, const CallbackRow& callback);
  Result<void> confirm(PgTransaction& tx, const CallbackRow& callback, const MessageRow& message);

  const PgOptions postgres_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const std::string instance_;
  std::unique_ptr<PgSession> session_;
  int careful_ = 0;  // callbacks still to be applied one by one, after a batch that failed
};

}  // namespace signet
