// The ledger of what providers called back, and what of it is not applied yet.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "message/message.h"
#include "message/outcome.h"
#include "store/entry.h"
#include "store/pg_session.h"

namespace signet {

struct CallbackRow {
  Uuid id;
  std::string provider, event_id;
  std::optional<Uuid> message_id;
  int attempt_no = 0;
  std::string provider_reference;
  ReceiptKind kind = ReceiptKind::sent;
  std::string provider_code;
  bool is_partial = false;
  std::string sealed_by, sealed;
  WallTime received_at;
  int tries = 0;
  int64_t age_ms = 0;  // by the database's clock, since it came; of taken ones
};

// Ledger rows and their callback_due rows, in one statement. The ids of those that are new: of the others the provider
// told us the event already.
Result<std::set<Uuid>> insert_callbacks(PgTransaction& tx, const std::vector<CallbackRow>& rows);
// Due ones, oldest first; for `lease_ms` they are not due for anybody else.
Result<std::vector<CallbackRow>> take_callbacks(PgTransaction& tx, int count_max, int64_t lease_ms);
Result<std::vector<CallbackRow>> list_callbacks(PgTransaction& tx, const Uuid& message_id);  // by time
Result<std::optional<CallbackRow>> read_callback(PgTransaction& tx, const Uuid& id);
// Whether it says something about a message already.
Result<bool> is_confirmation(PgTransaction& tx, const Uuid& callback_id);
Result<bool> finish_callback(PgTransaction& tx, const Uuid& id);  // false: somebody else has
// Those of `ids` that nobody else has finished.
Result<std::set<Uuid>> finish_callbacks(PgTransaction& tx, const std::vector<Uuid>& ids);
struct ConfirmationRow {
  Uuid id, message_id;
  int attempt_no = 0;
  ReceiptKind kind = ReceiptKind::sent;
  Uuid callback_id;
  std::string provider, provider_code;
  bool took_effect = false;
  WallTime at;
};
Result<void> insert_confirmations(PgTransaction& tx, const std::vector<ConfirmationRow>& rows);
struct PartReceipt {  // what was told of one part of an attempt
  int attempt_no = 0;
  std::string provider_reference;
  ReceiptKind kind = ReceiptKind::sent;
};
Result<std::map<Uuid, std::vector<PartReceipt>>> list_part_receipts(PgTransaction& tx,
                                                                    const std::vector<Uuid>& message_ids);
Result<std::optional<std::pair<std::string, std::string>>> read_data_key(PgTransaction& tx, const Uuid& message_id);
Result<std::map<Uuid, std::pair<std::string, std::string>>> read_data_keys(PgTransaction& tx,
                                                                           const std::vector<Uuid>& message_ids);
Result<std::optional<std::pair<std::string, std::string>>> read_day_key(PgTransaction& tx, const std::string& day);
Result<void> insert_day_key(PgTransaction& tx, const std::string& day, const std::string& kek_id,
                            std::string_view wrapped);

}  // namespace signet
