// What the daemon itself writes: reports and alerts by mail, the answer to who asked for help by SMS. It goes the way
// of every message, through the queue and its evidence, by author `system`: mails to recipients of the configuration
// only, SMS in its words only; they hold nothing about a patient. Nobody approves them: their MAC is under a policy of
// its own, which delivery takes for such recipients, or such words, alone.
#pragma once

#include <set>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "daemon/delivery/due_plan.h"
#include "message/envelope.h"
#include "message/message.h"
#include "store/keyring.h"
#include "store/messages.h"

namespace signet {

struct SystemMail {
  std::string recipient;  // in normal form
  std::string subject, body;
  std::string reference;  // unique among the daemon's own: a repeat makes nothing
  Priority priority = Priority::normal;
};

struct SystemText {
  std::string recipient;  // E.164
  std::string body;       // of the configuration
  std::string reference;
  std::string provider;  // by which it goes
};

class SystemMessages {  // any thread
 public:
  SystemMessages(const Keyring& keys, const DuePlan& due_plan, std::set<std::string> recipients, const Clock& clock,
                 IdSource& ids, Random& random, std::string instance)
      : keys_(keys),
        due_plan_(due_plan),
        recipients_(std::move(recipients)),
        clock_(clock),
        ids_(ids),
        random_(random),
        instance_(std::move(instance)) {}

  // Drafted, approved under the policy and queued in the caller's transaction; the relay finds it. Returns its id, or
  // that of the first with this reference. invalid: the recipient is none of the configuration's, or no route leads
  // there; the text says what to do.
  Result<Uuid> queue(PgTransaction& tx, const SystemMail& mail);
  Result<Uuid> queue(PgTransaction& tx, const SystemText& text);

 private:
  MessageRow row_of(Kind kind, DeliveryMethod method, const std::string& recipient, const std::string& reference);
  Result<Uuid> queue(PgTransaction& tx, MessageRow& row, const DueRow& due, const Envelope& envelope);

  const Keyring& keys_;
  const DuePlan& due_plan_;
  const std::set<std::string> recipients_;
  const Clock& clock_;
  IdSource& ids_;
  Random& random_;
  const std::string instance_;
};

}  // namespace signet
