// A change of a message by whoever does not deliver it: relay, reconciler, callbacks, people. A pure function decides
// over what is stored, under the row's lock; what it decides takes effect whole or not at all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/callbacks.h"
#include "store/messages.h"
#include "store/suppressions.h"

namespace signet {

struct MessageView {  // one message as it stands
  WallTime now;       // the database's clock: what is counted from it does not follow a daemon's
  MessageRow message;
  std::optional<DueRow> due;
  std::vector<AttemptRow> attempts;                 // permits and voids, by number
  std::vector<PartReceipt> part_receipts = {};      // so far; of PostgreSQL only where an attempt has parts
  const AttemptRow* attempt(int attempt_no) const;  // null: there is none
  bool has_result(int attempt_no) const;
  int newest_attempt_no() const;  // permitted, void or due; 0: none
};

struct DecisionRow {
  Uuid id;
  int attempt_no = 0;
  std::string decision, actor, reason;  // resend, requeue, fail, delivered; by whom; a code, never free text
  WallTime at;
};
struct VoidRow {
  int attempt_no = 0;
  std::string instance;
  WallTime at;
};

struct MessageChange {
  // These two are tried first; if somebody else was first, nothing else of the change takes effect.
  std::optional<VoidRow> void_attempt;
  std::optional<Uuid> ends_callback;  // its row in callback_due goes
  std::optional<StatusChange> status;
  std::vector<Entry> entries;  // of other events than the status's own
  std::optional<DecisionRow> decision;
  std::optional<ConfirmationRow> confirmation;
  std::optional<NewSuppression> suppression;
  std::optional<DueRow> due;  // instead of the one there is
  bool ends_due = false;
};
// None: the message stays as it is. Called once for each message that could be locked.
using Decide = std::function<std::optional<MessageChange>(const MessageView&)>;

enum class Changed {
  done,
  left,    // by the decision, or since the callback was another's already
  held,    // somebody else has the row under lock: again later
  absent,  // there is no such message
  taken,   // the attempt that was to be void has a permit
};

// Locks what nobody else holds, in the order of ids, and decides on each. The answer is in the order of `ids`, which
// are distinct.
Result<std::vector<Changed>> change_messages(PgTransaction& tx, const std::vector<Uuid>& ids, const Decide& decide);

}  // namespace signet
