// What people write to our numbers: the words of `replies` suppress, lift that, or ask for an answer. Nothing else of
// it is kept or acted on.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "daemon/evidence/system_message.h"
#include "daemon/metrics.h"
#include "message/reply_word.h"
#include "providers/provider.h"
#include "store/keyring.h"
#include "store/pg_session.h"

namespace signet {

struct InboundSettings {
  ReplyWords words;
  std::string help_text;  // empty: help is not answered
};

class Inbounds {  // any thread
 public:
  // All outlive this.
  Inbounds(InboundSettings settings, const Keyring& keys, IdSource& ids, SystemMessages& messages, Metrics& metrics,
           std::string instance)
      : settings_(std::move(settings)),
        keys_(keys),
        ids_(ids),
        messages_(messages),
        metrics_(metrics),
        instance_(std::move(instance)) {}

  // In the caller's transaction, so that who wrote is suppressed, or no more, when it is committed. True: the writer is
  // to be answered with help_text(). A repeat does nothing. Counted here, so again if that transaction is run again.
  Result<bool> take(PgTransaction& tx, const std::string& provider, const Inbound& inbound, WallTime now);
  // That answer as a message of its own, by the provider that its writer used.
  Result<void> answer(PgTransaction& tx, const std::string& provider, const Inbound& inbound);
  const std::string& help_text() const { return settings_.help_text; }

 private:
  Result<void> stop(PgTransaction& tx, const std::string& provider, const std::string& key, WallTime now);
  Result<void> start(PgTransaction& tx, const std::string& key, WallTime now);
  void count(const std::string& provider, std::string_view word);
  Result<bool> is_help_due(PgTransaction& tx, const std::string& key, const Inbound& inbound, WallTime now);

  const InboundSettings settings_;
  const Keyring& keys_;
  IdSource& ids_;
  SystemMessages& messages_;
  Metrics& metrics_;
  const std::string instance_;
};

}  // namespace signet
