// Applies what providers called back: matches, lets rank decide, records a confirmation and its event. What precedes
// our own result, or knows no message, is kept and tried again (design: engine, "Callbacks"). One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "daemon/metrics.h"
#include "store/engine_store.h"

namespace signet {

// What a receipt for this attempt changes of its message; 0: the adapter does not say which. None: before our own
// result there is nothing to confirm.
std::optional<MessageChange> confirm(const MessageView& view, int attempt_no, const CallbackRow& callback,
                                     IdSource& ids, const std::string& instance);

class Callbacks {
 public:
  Callbacks(EngineStore& store, IdSource& ids, Log& log, Metrics& metrics, std::string instance)
      : store_(store), ids_(ids), log_(log), metrics_(metrics), instance_(std::move(instance)) {}
  // Applies one batch. True: there may be more.
  bool apply();

 private:
  struct Matched {  // by echo, else by the provider's reference
    Uuid message_id;
    int attempt_no = 0;
    CallbackRow row;  // as it stands in the ledger
  };
  // At most one callback a message. False: PostgreSQL is away.
  bool apply_round(const std::vector<Matched>& round);
  void keep(const CallbackRow& callback);
  void count(const CallbackRow& callback, bool takes_effect);

  EngineStore& store_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const std::string instance_;
  std::vector<Postponed> postponed_;  // of the batch in hand
};

}  // namespace signet
