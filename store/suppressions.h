// Who is not to be written to: by the HMAC of number or address, so that none of them needs to stand here. Each
// function is one step inside the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "message/message.h"
#include "store/entry.h"
#include "store/pg_session.h"

namespace signet {

struct SuppressionRow {
  Uuid id;
  std::string recipient_key;                     // 32 octets
  DeliveryMethod channel = DeliveryMethod::sms;  // sms or email
  std::string reason;                            // a word of docs/suppressions.md: stop, opted_out, bounced, ...
  std::string source;                            // the provider that told it; "person"
  std::optional<Uuid> added_by = {};             // a user; none: the daemon
  WallTime created_at = {};                      // read ones
};
struct NewSuppression {
  SuppressionRow row;
  Entry entry;  // the event that tells of it
};

struct SuppressionFilter {
  std::optional<DeliveryMethod> channel;
  std::optional<std::string> reason, source, recipient_key;
  std::optional<Uuid> before_id;  // cursor; newest first
  int count_max = 50;
};

Result<bool> is_suppressed(PgTransaction& tx, std::string_view recipient_key);
// False: the recipient is suppressed already; then neither the row nor the entry is written.
Result<bool> add_suppression(PgTransaction& tx, const NewSuppression& added);
Result<std::vector<SuppressionRow>> list_suppressions(PgTransaction& tx, const SuppressionFilter& filter);
// Locked until the transaction ends.
Result<std::optional<SuppressionRow>> lock_suppression(PgTransaction& tx, const Uuid& id);
Result<std::optional<SuppressionRow>> lock_suppression_of(PgTransaction& tx, std::string_view recipient_key);
Result<void> remove_suppression(PgTransaction& tx, const Uuid& id);

}  // namespace signet
